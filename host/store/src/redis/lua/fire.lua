-- Turns due timers into events. Answers when the next one is due ('' for never), then conversation, game and place of each.
local now, limit = arg(), arg()
local answer = { '' }
for _, timer in ipairs(redis.call('ZRANGEBYSCORE', base .. 'timers', '-inf', now, 'LIMIT', 0, limit)) do
  local conversation = string.match(timer, '^(%d+)')
  local game = redis.call('HGET', base .. 'c:' .. conversation, 'g')
  local seq = put(conversation, game, now, redis.call('HGET', base .. 'timers:events', timer))
  redis.call('ZREM', base .. 'timers', timer)
  redis.call('HDEL', base .. 'timers:events', timer)
  answer[#answer + 1] = conversation
  answer[#answer + 1] = game
  answer[#answer + 1] = seq
end
answer[1] = redis.call('ZRANGE', base .. 'timers', 0, 0, 'WITHSCORES')[2] or ''
return answer
