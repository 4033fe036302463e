-- Turns due timers into events. Answers when the next one is due ('' for never), then conversation, game and place of each.
local now, limit = arg(), arg()
local answer = { '' }
for _, timer in ipairs(call('ZRANGEBYSCORE', base .. 'timers', '-inf', now, 'LIMIT', 0, limit)) do
  local conversation = string.match(timer, '^(%d+)')
  local game = call('HGET', base .. 'c:' .. conversation, 'g')
  local seq = put(conversation, now, call('HGET', base .. 'timers:events', timer))
  call('ZREM', base .. 'timers', timer)
  call('HDEL', base .. 'timers:events', timer)
  answer[#answer + 1] = conversation
  answer[#answer + 1] = game
  answer[#answer + 1] = seq
end
answer[1] = call('ZRANGE', base .. 'timers', 0, 0, 'WITHSCORES')[2] or ''
return answer
