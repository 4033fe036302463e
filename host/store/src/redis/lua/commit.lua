-- Writes a step: all of it, or nothing.
-- Answers {0} when stale, else {1, place of the last follow-up, place and names of the messages, contact before if it
-- changed, requeued messages, when the next timer is due (if timers changed; '' for never)}.
local conversation, before, after, ack, now = arg(), arg(), arg(), arg(), arg()
local doc, contact, game, number = arg(), arg(), arg(), arg()
local key = base .. 'c:' .. conversation

local version, contact_was, last, head = unpack(call('HMGET', key, 'v', 'k', 'o', 'h'))
-- The event leaves the inbox: the last thing that may be refused, and the first that is written.
if version ~= before or call('HDEL', base .. 'inbox', conversation .. '.' .. ack) == 0 then
  return { 0 }
end
if (head or '1') == ack then
  head = int(tonumber(ack) + 1)
end

local seqs, first_place = {}, '0'
last = tonumber(last or '0')
local known_day = arg()
for n = 1, num() do
  local at, body = num(), arg()
  last = math.max(last + 1, at)
  seqs[n] = int(last)
  local day, ref = day_of(last), conversation .. '.' .. int(last)
  call('HSET', base .. 'b:' .. day, ref, body)
  if day ~= known_day then
    touch('b:' .. day, '0')
    known_day = day
  end
  local place = queue(ref)
  if n == 1 then
    first_place = place
  end
end
call('HSET', key, 'v', after, 'd', doc, 't', '', 'h', head or '1', 'o', int(last))

local contact_before = ''
if contact ~= contact_was then
  contact_before = contact_was
  call('HSET', key, 'k', contact)
  call('RPUSH', base .. 'moves', '{"conversation":' .. conversation .. ',"number":"' .. number
    .. '","before":' .. contact_before .. ',"after":' .. contact .. '}')
end

local requeued = {}
for _ = 1, num() do
  local ref, seq, due_at, attempts = arg(), arg(), arg(), arg()
  local receipts = base .. 'r:' .. day_of(seq)
  local body = call('HGET', base .. 'b:' .. day_of(seq), ref)
  local wamid = string.match(call('HGET', receipts, ref) or '', '^5 %d+ %d+ (.*)$')
  if body and wamid then
    call('HDEL', receipts, ref)
    call('HSET', base .. 'out', ref, attempts .. ' ' .. due_at .. ' 0 ' .. wamid)
    for _, value in ipairs({ ref, queue(ref), attempts, due_at, body }) do
      requeued[#requeued + 1] = value
    end
  end
end

for _ = 1, num() do
  local ref, seq, at, letter = arg(), arg(), arg(), arg()
  local bodies = base .. 'b:' .. day_of(seq)
  local body = call('HGET', bodies, ref)
  local attempts = string.match(call('HGET', base .. 'r:' .. day_of(seq), ref) or '', '^5 %d+ (%d+) ')
  if body and attempts then
    call('HDEL', bodies, ref)
    bury(game, at, '{"game":"' .. game .. '"' .. letter .. attempts .. ',"letter":{"message":' .. body .. '}}')
  end
end

local timer_changes = num()
for _ = 1, timer_changes do
  local timer, due_at, event = conversation .. ' ' .. arg(), arg(), arg()
  if due_at == '' then
    call('ZREM', base .. 'timers', timer)
    call('HDEL', base .. 'timers:events', timer)
  else
    call('ZADD', base .. 'timers', due_at, timer)
    call('HSET', base .. 'timers:events', timer, event)
  end
end

for _ = 1, num() do
  local of, ticket, rank, json = arg(), arg(), arg(), arg()
  if call('HSETNX', base .. 'tickets', of .. ' ' .. ticket, json) == 1 then
    call('ZADD', base .. 'tickets:open:' .. of, rank, ticket)
    call('HINCRBY', base .. 'n', 'ticket', 1)
  end
end
for _, stream in ipairs({ 'consents', 'audits' }) do
  for _ = 1, num() do
    call('XADD', base .. stream, '*', 'c', conversation, 'j', arg())
  end
end

local last_put = ''
for _ = 1, num() do
  last_put = put(conversation, now, arg())
end

local letter_game, letter_at, letter = arg(), arg(), arg()
if letter ~= '' then
  bury(letter_game, letter_at, letter)
end
local step, steps_max = arg(), arg()
if step ~= '' then
  call('XADD', base .. 'steps', 'MAXLEN', '~', steps_max, '*', 'c', conversation, 'j', step)
end
local timer_next = timer_changes > 0 and call('ZRANGE', base .. 'timers', 0, 0, 'WITHSCORES')[2] or ''
return { 1, last_put, first_place, table.concat(seqs, ' '), contact_before, requeued, timer_next }
