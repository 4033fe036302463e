-- Notes a failed try of an event that waits. Answers 0 when it is not there any more.
local conversation, seq, attempts = arg(), arg(), arg()
local head = redis.call('LINDEX', base .. 'in:' .. conversation, 0)
if not head or string.match(head, '^(%d+)') ~= seq then
  return 0
end
redis.call('HSET', base .. 'c:' .. conversation, 't', seq .. ' ' .. attempts)
return 1
