-- Says how much waits: lane, how many and the name of the first, for each lane that holds something; and "<lane> <reason>" and
-- how many, for what is parked.
local queued, counts = {}, {}
for _, lane in ipairs(redis.call('SMEMBERS', base .. 'lanes')) do
  local count = redis.call('ZCARD', base .. 'q:' .. lane)
  if count > 0 then
    queued[#queued + 1] = lane
    queued[#queued + 1] = count
    queued[#queued + 1] = redis.call('ZRANGE', base .. 'q:' .. lane, 0, 0)[1]
  end
end
local why = redis.call('HGETALL', base .. 'parked:why')
for n = 1, #why, 2 do
  local live = redis.call('HGET', base .. 'out', why[n])
  if live then
    local name = lane_of(live) .. ' ' .. why[n + 1]
    counts[name] = (counts[name] or 0) + 1
  end
end
local parked = {}
for name, count in pairs(counts) do
  parked[#parked + 1] = name
  parked[#parked + 1] = count
end
return { queued, parked }
