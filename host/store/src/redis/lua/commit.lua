-- Writes a step: all of it, or nothing. Everything is checked before the first write.
-- Answers {0} when stale, else {1, place of the last follow-up, place and names of the messages, the conversation before if
-- its contact or player changed, requeued messages, when something is due next (if timers changed; '' for never)}.
local conversation, before, after, ack, now = arg(), arg(), arg(), arg(), arg()
local doc, who, whos, game = arg(), arg(), arg(), arg()
local key, inbox = base .. 'c:' .. conversation, base .. 'in:' .. conversation

local was = redis.call('HMGET', key, 'v', 'k', 'o')
if was[1] ~= before then
  return { 0 }
end
local entry = redis.call('LINDEX', inbox, 0)
if not entry then
  return { 0 }
end
local at_head = string.match(entry, '^(%d+)') == ack
if not at_head then
  entry = nil
  for _, other in ipairs(redis.call('LRANGE', inbox, 1, -1)) do
    if string.match(other, '^(%d+)') == ack then
      entry = other
      break
    end
  end
  if not entry then
    return { 0 }
  end
end

if at_head then
  redis.call('LPOP', inbox)
else
  redis.call('LREM', inbox, 1, entry)
end
local doc_before = ''
if not (was[2] and is_one_of(was[2], whos)) then
  doc_before = redis.call('HGET', key, 'd')
  redis.call('HSET', key, 'k', who)
  redis.call('HDEL', key, 'p')
  note_move(conversation, doc_before, doc)
end
-- The last argument says from when on marketing may be sent; '' for not at all.
redis.call('HSET', key, 'v', after, 'd', doc, 't', '', 'm', ARGV[#ARGV])

local seqs, first_place = {}, '0'
local last = tonumber(was[3] or '0')
local known_day = arg()
for n = 1, num() do
  local at, body, lane, campaign = num(), arg(), arg(), arg()
  last = math.max(last + 1, at)
  seqs[n] = int(last)
  local day, ref = day_of(last), conversation .. '.' .. int(last)
  redis.call('HSET', base .. 'b:' .. day, ref, body)
  if day ~= known_day then
    touch('b:' .. day, '0')
    known_day = day
  end
  if campaign ~= '' then
    mark(ref, day, campaign)
    count(campaign, 'queued', 1)
  end
  local place = queue(ref, '0', int(at), lane, '')
  if n == 1 then
    first_place = place
  end
end
if #seqs > 0 then
  redis.call('HSET', key, 'o', int(last))
end

local requeued = {}
for _ = 1, num() do
  local ref, seq, due_at, attempts, lane = arg(), arg(), arg(), arg(), arg()
  local receipts = base .. 'r:' .. day_of(seq)
  local body = redis.call('HGET', base .. 'b:' .. day_of(seq), ref)
  local wamid = string.match(redis.call('HGET', receipts, ref) or '', '^5 %d+ %d+ (.*)$')
  if body and wamid and lane ~= '' then
    redis.call('HDEL', receipts, ref)
    count(campaign_of(ref), wamid ~= '' and 'accepted' or 'refused', -1)
    for _, value in ipairs({ ref, queue(ref, attempts, due_at, lane, wamid), attempts, due_at, body }) do
      requeued[#requeued + 1] = value
    end
  end
end

for _ = 1, num() do
  local ref, seq, at, head = arg(), arg(), arg(), arg()
  local bodies = base .. 'b:' .. day_of(seq)
  local body = redis.call('HGET', bodies, ref)
  local attempts = string.match(redis.call('HGET', base .. 'r:' .. day_of(seq), ref) or '', '^5 %d+ (%d+) ')
  if body and attempts then
    redis.call('HDEL', bodies, ref)
    -- One of many is counted by its reason, and not kept.
    if not is_bulk(campaign_of(ref)) then
      bury(game, at, letter_of(conversation, game, attempts, head, body))
    end
  end
end

local timer_changes = num()
for _ = 1, timer_changes do
  local timer, due_at, event = conversation .. ' ' .. arg(), arg(), arg()
  if due_at == '' then
    redis.call('ZREM', base .. 'timers', timer)
    redis.call('HDEL', base .. 'timers:events', timer)
  else
    redis.call('ZADD', base .. 'timers', due_at, timer)
    redis.call('HSET', base .. 'timers:events', timer, event)
  end
end

for _ = 1, num() do
  local owner, ticket, rank, json = arg(), arg(), arg(), arg()
  if redis.call('HSETNX', base .. 'tickets', owner .. ' ' .. ticket, json) == 1 then
    redis.call('ZADD', base .. 'tickets:open:' .. owner, rank, ticket)
    redis.call('HINCRBY', base .. 'n', 'ticket', 1)
  end
end
for _, stream in ipairs({ 'consents', 'audits' }) do
  for _ = 1, num() do
    redis.call('XADD', base .. stream, '*', 'c', conversation, 'j', arg())
  end
end

local last_put = ''
for _ = 1, num() do
  last_put = put(conversation, game, now, arg())
end
if redis.call('EXISTS', inbox) == 0 then
  redis.call('HDEL', base .. 'pending', conversation)
end

local letter_game, letter, letter_at = arg(), arg(), arg()
if letter ~= '' then
  bury(letter_game, letter_at, letter)
end
local step, steps_max = arg(), arg()
if step ~= '' then
  redis.call('XADD', base .. 'steps', 'MAXLEN', '~', steps_max, '*', 'c', conversation, 'j', step)
end
local timer_next = timer_changes > 0 and next_due() or ''
return { 1, last_put, first_place, table.concat(seqs, ' '), doc_before, requeued, timer_next }
