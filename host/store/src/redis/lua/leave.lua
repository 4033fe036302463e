-- Gives a partition up, if it is still held. KEYS[1] its lease; ARGV the lease that is held.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
