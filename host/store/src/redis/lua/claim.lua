-- Whose name is it? A name that nobody has becomes that of a new conversation, once, whoever asks at the same time.
-- KEYS the bucket's names and its counter; ARGV the name and the bucket's number.
local id = redis.call('HGET', KEYS[1], ARGV[1])
if id then
  return id
end
id = string.format('%.0f', redis.call('INCR', KEYS[2]) * 1024 + tonumber(ARGV[2]))
redis.call('HSET', KEYS[1], ARGV[1], id)
return id
