-- Notes what came of one send. Answers {0} when the message has left the outbox already, else {1, ...}.
local conversation, seq, result, at = arg(), arg(), arg(), arg()
local ref, day = conversation .. '.' .. seq, day_of(seq)
local live = redis.call('HGET', base .. 'out', ref)
if not live then
  return { 0 }
end

if result == 'again' then
  local attempts, due_at = arg(), at
  redis.call('HSET', base .. 'out', ref, attempts .. ' ' .. due_at .. ' 0 ' .. string.match(live, '^%d+ %d+ %d+ (.*)$'))
  return { 1 }
end

if result == 'parked' then
  local attempts, reason = arg(), arg()
  redis.call('HSET', base .. 'out', ref, attempts .. ' ' .. at .. ' 0 ' .. string.match(live, '^%d+ %d+ %d+ (.*)$'))
  redis.call('ZREM', base .. 'q:' .. lane_of(live), ref)
  park(ref, at, reason)
  return { 1, next_due() }
end

local attempts, campaign = string.match(live, '^(%d+)'), campaign_of(ref)
take_out(ref, live)
if result == 'accepted' then
  local wamid, new_bucket = arg(), arg()
  count(campaign, 'accepted', 1)
  reached(campaign, conversation, at)
  redis.call('HSET', base .. 'r:' .. day, ref, '0 ' .. at .. ' ' .. int(tonumber(attempts) + 1) .. ' ' .. wamid)
  if new_bucket ~= '' then
    touch('r:' .. day, at)
  end
  return { 1 }
end
if result == 'done' then
  redis.call('HDEL', base .. 'b:' .. day, ref)
  return { 1 }
end
local game = redis.call('HGET', base .. 'c:' .. conversation, 'g')
if result == 'failed' then
  local tries, event, received_at, code = arg(), arg(), arg(), arg()
  count(campaign, 'refused', 1)
  count(campaign, 'failed:' .. code, 1)
  redis.call('HSET', base .. 'r:' .. day, ref, '5 ' .. at .. ' ' .. tries .. ' ')
  touch('r:' .. day, at)
  return { 1, game, put(conversation, game, received_at, event) }
end
-- Dead.
local head, reason = arg(), arg()
local body = redis.call('HGET', base .. 'b:' .. day, ref)
redis.call('HDEL', base .. 'b:' .. day, ref)
count(campaign, 'dropped:' .. reason, 1)
if not is_bulk(campaign) then
  bury(game, at, letter_of(conversation, game, attempts, head, body))
end
return { 1 }
