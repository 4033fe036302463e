-- Closes a ticket and tells its conversation. Answers the event's place, or 0 when the ticket is not open.
local game, ticket, conversation, now, json, event, audit = arg(), arg(), arg(), arg(), arg(), arg(), arg()
if redis.call('ZREM', base .. 'tickets:open:' .. game, ticket) == 0 then
  return 0
end
redis.call('HSET', base .. 'tickets', game .. ' ' .. ticket, json)
redis.call('ZADD', base .. 'tickets:closed:' .. game, now, ticket)
redis.call('HINCRBY', base .. 'n', 'ticket', -1)
redis.call('XADD', base .. 'audits', '*', 'c', conversation, 'j', audit)
return put(conversation, game, now, event)
