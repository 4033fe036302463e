-- Reads what a node has to know of a partition that it takes over. Answers when something is due next ('' for never),
-- the lanes that hold messages, the last place that was given, the names to move, and conversation, game and
-- length of each inbox that holds something.
local places_seen = num()
local place = tonumber(redis.call('HGET', base .. 'n', 'place') or '0')
if place < places_seen then
  -- A server that lost its last writes would give places again that this process has seen.
  place = places_seen
  redis.call('HSET', base .. 'n', 'place', int(place))
end
local inboxes = redis.call('HGETALL', base .. 'pending')
local waiting = {}
for n = 1, #inboxes, 2 do
  waiting[#waiting + 1] = inboxes[n]
  waiting[#waiting + 1] = inboxes[n + 1]
  waiting[#waiting + 1] = redis.call('LLEN', base .. 'in:' .. inboxes[n])
end
local lanes = {}
for _, lane in ipairs(redis.call('SMEMBERS', base .. 'lanes')) do
  if redis.call('EXISTS', base .. 'q:' .. lane) == 1 then
    lanes[#lanes + 1] = lane
  else
    redis.call('SREM', base .. 'lanes', lane)
  end
end
return {
  next_due(),
  lanes,
  int(place),
  redis.call('LRANGE', base .. 'moves', 0, -1),
  waiting,
}
