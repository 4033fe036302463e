-- Notes a failed try of an event that waits. Answers 0 when it is not there any more.
local conversation, seq, attempts = arg(), arg(), arg()
if call('HEXISTS', base .. 'inbox', conversation .. '.' .. seq) == 0 then
  return 0
end
call('HSET', base .. 'c:' .. conversation, 't', seq .. ' ' .. attempts)
return 1
