-- Reads what a node has to know of a partition that it takes over. Answers when something is due next ('' for never),
-- how many messages are queued, the last place in the queue that was given, the names to move, and conversation, game and
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
return {
  next_due(),
  redis.call('ZCARD', base .. 'queue'),
  int(place),
  redis.call('LRANGE', base .. 'moves', 0, -1),
  waiting,
}
