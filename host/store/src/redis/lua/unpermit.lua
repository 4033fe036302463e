-- Gives a place back that was taken then, and not again since. KEYS the window; ARGV the member, when.
local taken = redis.call('ZSCORE', KEYS[1], ARGV[1])
if taken and tonumber(taken) == tonumber(ARGV[2]) then
  return redis.call('ZREM', KEYS[1], ARGV[1])
end
return 0
