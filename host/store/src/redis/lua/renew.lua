-- Keeps a partition. KEYS[1] its lease; ARGV the lease that is held, its time to live in ms.
local held = redis.call('GET', KEYS[1])
if held ~= ARGV[1] then
  return redis.error_reply('FENCED ' .. (held or 'nobody'))
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
