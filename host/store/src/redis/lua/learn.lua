-- Writes what an arriving contact told of a conversation, if nobody changed it meanwhile. Answers 1, or 0 when stale.
local conversation, before, after, doc, contact, number = arg(), arg(), arg(), arg(), arg(), arg()
local key = base .. 'c:' .. conversation
local was = redis.call('HMGET', key, 'v', 'k')
if was[1] ~= before then
  return 0
end
redis.call('HSET', key, 'v', after, 'd', doc, 'k', contact)
redis.call('RPUSH', base .. 'moves', '{"conversation":' .. conversation .. ',"number":"' .. number
  .. '","before":' .. was[2] .. ',"after":' .. contact .. '}')
return 1
