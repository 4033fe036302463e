-- Puts messages of the one queue that a partition had into their lanes, at the places that they have. Twice does no harm.
for _ = 1, num() do
  local ref, lane = arg(), arg()
  local place = redis.call('ZSCORE', base .. 'queue', ref)
  local standing, wamid = string.match(redis.call('HGET', base .. 'out', ref) or '', '^(%d+ %d+ %d+) (.*)$')
  if place and standing then
    redis.call('ZADD', base .. 'q:' .. lane, place, ref)
    redis.call('SADD', base .. 'lanes', lane)
    redis.call('HSET', base .. 'out', ref, standing .. ' ' .. lane .. ' ' .. wamid)
    redis.call('ZREM', base .. 'queue', ref)
  end
end
return 1
