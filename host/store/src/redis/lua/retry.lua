-- Puts a dead letter back: an event into its inbox, a message into the outbox. Answers {0} when it is gone.
-- `at` is when the event came, or when the message is to be queued, and in which lane.
local id, game, conversation, kind, at, thing = arg(), arg(), arg(), arg(), arg(), arg()
local lane, known_day, audit = arg(), arg(), arg()
if redis.call('HDEL', base .. 'letters', id) == 0 then
  return { 0 }
end
redis.call('ZREM', base .. 'letters:by-id', id .. ' ' .. game)
redis.call('XADD', base .. 'audits', '*', 'c', conversation, 'j', audit)
if kind == 'event' then
  return { 1, put(conversation, game, at, thing) }
end
local key = base .. 'c:' .. conversation
local seq = math.max(tonumber(redis.call('HGET', key, 'o') or '0') + 1, tonumber(at))
local ref, day = conversation .. '.' .. int(seq), day_of(seq)
redis.call('HSET', key, 'o', int(seq))
redis.call('HSET', base .. 'b:' .. day, ref, thing)
if day ~= known_day then
  touch('b:' .. day, '0')
end
return { 1, int(seq), queue(ref, '0', at, lane, '') }
