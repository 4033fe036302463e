-- Writes a document if it is what it is expected to be.
-- KEYS the document; ARGV "anything", "nothing" or "this", then what is expected, then the new value; without one the
-- document is removed.
if ARGV[1] ~= 'anything' then
  local found = redis.call('GET', KEYS[1])
  if ARGV[1] == 'nothing' and found then
    return 0
  end
  if ARGV[1] == 'this' and found ~= ARGV[2] then
    return 0
  end
end
if ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[3])
else
  redis.call('DEL', KEYS[1])
end
return 1
