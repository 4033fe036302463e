-- Notes what came of one send. Answers {0} when the message has left the outbox already, else {1, ...}.
local conversation, seq, result, at = arg(), arg(), arg(), arg()
local ref, day = conversation .. '.' .. seq, day_of(seq)
local attempts, wamid_before = string.match(call('HGET', base .. 'out', ref) or '0   ', '^(%d+) %d* %d* (.*)$')

if result == 'again' then
  if not call('ZSCORE', base .. 'queue', ref) then
    return { 0 }
  end
  call('HSET', base .. 'out', ref, arg() .. ' ' .. at .. ' 0 ' .. wamid_before)
  return { 1 }
end

if call('ZREM', base .. 'queue', ref) == 0 then
  return { 0 }
end
call('HDEL', base .. 'out', ref)
if result == 'accepted' then
  local wamid, new_bucket = arg(), arg()
  call('HSET', base .. 'r:' .. day, ref, '0 ' .. at .. ' ' .. int(tonumber(attempts) + 1) .. ' ' .. wamid)
  if new_bucket ~= '' then
    touch('r:' .. day, at)
  end
  return { 1 }
end
local game = call('HGET', base .. 'c:' .. conversation, 'g')
if result == 'failed' then
  local tries, event, received_at = arg(), arg(), arg()
  call('HSET', base .. 'r:' .. day, ref, '5 ' .. at .. ' ' .. tries .. ' ')
  touch('r:' .. day, at)
  return { 1, game, put(conversation, received_at, event) }
end
-- Dead.
local letter = arg()
local body = call('HGET', base .. 'b:' .. day, ref)
call('HDEL', base .. 'b:' .. day, ref)
bury(game, at, '{"game":"' .. game .. '"' .. letter .. attempts .. ',"letter":{"message":' .. body .. '}}')
return { 1 }
