-- Links entries into a game's chain, and drops the details of erased ones, if nobody else has linked meanwhile.
-- KEYS the chain; ARGV the head as it was ('' for none), the head as it is to be, then counted: entries (place, entry,
-- details, names by which they are found, counted), erased entries (place, names, counted), and partitions with the last
-- record that was taken from them.
local chain = KEYS[1]

if (redis.call('HGET', chain, 'head') or '') ~= arg() then
  return 0
end
redis.call('HSET', chain, 'head', arg())
for _ = 1, num() do
  local seq, entry, details = arg(), arg(), arg()
  redis.call('HSET', chain .. ':entries', seq, entry)
  redis.call('HSET', chain .. ':details', seq, details)
  for _ = 1, num() do
    redis.call('SADD', chain .. ':of:' .. arg(), seq)
  end
end
for _ = 1, num() do
  local seq = arg()
  redis.call('HDEL', chain .. ':details', seq)
  for _ = 1, num() do
    redis.call('SREM', chain .. ':of:' .. arg(), seq)
  end
end
for _ = 1, num() do
  local partition, id = arg(), arg()
  redis.call('HSET', chain, partition, id)
end
return 1
