-- Counts: messages that wait, timers, dead letters, open tickets, conversations.
local n = redis.call('HMGET', base .. 'n', 'ticket', 'conversation')
return {
  redis.call('HLEN', base .. 'out'),
  redis.call('ZCARD', base .. 'timers'),
  redis.call('HLEN', base .. 'letters'),
  tonumber(n[1] or '0'),
  tonumber(n[2] or '0'),
}
