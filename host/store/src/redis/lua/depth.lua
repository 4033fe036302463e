-- Counts: messages that wait, timers, dead letters, open tickets, conversations.
local n = call('HMGET', base .. 'n', 'ticket', 'conversation')
return {
  call('ZCARD', base .. 'queue'),
  call('ZCARD', base .. 'timers'),
  call('HLEN', base .. 'letters'),
  tonumber(n[1] or '0'),
  tonumber(n[2] or '0'),
}
