-- Turns due timers into events, and queues due parked messages behind what is queued. Answers when something is due next
-- ('' for never); conversation, game and place of each event; name, place, tries, due time and content of each message.
local now, timers_max, parked_max = arg(), arg(), arg()
local fired, queued = {}, {}
for _, timer in ipairs(redis.call('ZRANGEBYSCORE', base .. 'timers', '-inf', now, 'LIMIT', 0, timers_max)) do
  local conversation = string.match(timer, '^(%d+)')
  local game = redis.call('HGET', base .. 'c:' .. conversation, 'g')
  local seq = put(conversation, game, now, redis.call('HGET', base .. 'timers:events', timer))
  redis.call('ZREM', base .. 'timers', timer)
  redis.call('HDEL', base .. 'timers:events', timer)
  for _, value in ipairs({ conversation, game, seq }) do
    fired[#fired + 1] = value
  end
end
for _, ref in ipairs(redis.call('ZRANGEBYSCORE', base .. 'parked', '-inf', now, 'LIMIT', 0, parked_max)) do
  local live = redis.call('HGET', base .. 'out', ref)
  local attempts, due_at, lane, wamid = string.match(live or '', '^(%d+) (%d+) %d+ (%S+) (.*)$')
  unpark(ref)
  if attempts then
    local body = redis.call('HGET', base .. 'b:' .. day_of(string.match(ref, '%.(%d+)$')), ref)
    for _, value in ipairs({ ref, queue(ref, attempts, due_at, lane, wamid), attempts, due_at, body }) do
      queued[#queued + 1] = value
    end
  end
end
return { next_due(), fired, queued }
