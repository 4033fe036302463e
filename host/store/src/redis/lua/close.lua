-- Closes a ticket and tells its conversation. Answers the event's place, or 0 when the ticket is not open.
local game, ticket, conversation, now, json, event = arg(), arg(), arg(), arg(), arg(), arg()
if call('ZREM', base .. 'tickets:open:' .. game, ticket) == 0 then
  return 0
end
call('HSET', base .. 'tickets', game .. ' ' .. ticket, json)
call('ZADD', base .. 'tickets:closed:' .. game, now, ticket)
call('HINCRBY', base .. 'n', 'ticket', -1)
return put(conversation, now, event)
