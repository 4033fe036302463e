-- Writes pages if all of them are what they are expected to be, also those that stay as they are.
-- KEYS the pages; ARGV four for each: "nothing" or "this", what is expected, how long it is kept from now on in
-- milliseconds or "" to leave it as it is or "gone" to remove it, the new value.
for n, key in ipairs(KEYS) do
  local expected, found = ARGV[4 * n - 3], redis.call('GET', key)
  if expected == 'nothing' and found or expected == 'this' and found ~= ARGV[4 * n - 2] then
    return 0
  end
end
for n, key in ipairs(KEYS) do
  if ARGV[4 * n - 1] == 'gone' then
    redis.call('DEL', key)
  elseif ARGV[4 * n - 1] ~= '' then
    redis.call('SET', key, ARGV[4 * n], 'PX', ARGV[4 * n - 1])
  end
end
return 1
