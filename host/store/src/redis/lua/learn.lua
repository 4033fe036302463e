-- Writes what an arriving contact told of a conversation, if nobody changed it meanwhile. Answers 1, or 0 when stale.
local conversation, before, after, doc, who = arg(), arg(), arg(), arg(), arg()
local key = base .. 'c:' .. conversation
local was = redis.call('HMGET', key, 'v', 'd')
if was[1] ~= before then
  return 0
end
redis.call('HSET', key, 'v', after, 'd', doc, 'k', who)
redis.call('HDEL', key, 'p')
note_move(conversation, was[2], doc)
return 1
