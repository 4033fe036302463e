-- Reads what a node has to know of a partition that it takes over. Answers when the next timer is due ('' for never),
-- how many messages are queued, the last place in the queue that was given, the names to move, and conversation, game and
-- length of each inbox that holds something.
local places_seen = num()
local place = tonumber(call('HGET', base .. 'n', 'place') or '0')
if place < places_seen then
  -- A server that lost its last writes would give places again that this process has seen.
  place = places_seen
  call('HSET', base .. 'n', 'place', int(place))
end
local counts = {}
for _, event in ipairs(call('HKEYS', base .. 'inbox')) do
  local conversation = string.match(event, '^(%d+)')
  counts[conversation] = (counts[conversation] or 0) + 1
end
local waiting = {}
for conversation, count in pairs(counts) do
  waiting[#waiting + 1] = conversation
  waiting[#waiting + 1] = call('HGET', base .. 'c:' .. conversation, 'g')
  waiting[#waiting + 1] = count
end
return {
  call('ZRANGE', base .. 'timers', 0, 0, 'WITHSCORES')[2] or '',
  call('ZCARD', base .. 'queue'),
  int(place),
  call('LRANGE', base .. 'moves', 0, -1),
  waiting,
}
