-- Takes a conversation out of a player's, unless a later step has put it there.
-- KEYS[1] the player's conversations by the version that put them there; ARGV the conversation, the version.
local placed = redis.call('ZSCORE', KEYS[1], ARGV[1])
if placed and tonumber(placed) < tonumber(ARGV[2]) then
  return redis.call('ZREM', KEYS[1], ARGV[1])
end
return 0
