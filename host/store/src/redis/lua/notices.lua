-- Keeps notices, newest first, and no more than so many.
local kept_max = num()
for _ = 1, num() do
  redis.call('LPUSH', base .. 'notices', arg())
end
redis.call('LTRIM', base .. 'notices', 0, kept_max - 1)
return 1
