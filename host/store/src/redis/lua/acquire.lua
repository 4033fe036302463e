-- Takes a partition. KEYS[1] its lease; ARGV the lease to hold, its time to live in ms, whose lease may be taken over
-- (the caller's own, and that of a process that is known to be dead). Answers {1}, or {0, who holds it, ms left}.
local held = redis.call('GET', KEYS[1])
local owner = held and string.match(held, '^%d+ (.*)$')
if held and owner ~= ARGV[3] and owner ~= ARGV[4] then
  return { 0, held, redis.call('PTTL', KEYS[1]) }
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return { 1 }
