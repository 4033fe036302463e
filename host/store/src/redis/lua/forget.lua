-- Forgets a name if it still points at this conversation. KEYS[1] the bucket's names; ARGV the name, the conversation.
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0
