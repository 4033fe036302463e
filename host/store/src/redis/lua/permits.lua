-- Takes places in a sliding window. KEYS the window (sorted set: members by when they took their place). ARGV now, the
-- span in milliseconds, then for each ask: the member, how many places there are, which place to wait for. Answers a text
-- for each: n a new place, h held already, or, where none is free, when the place to wait for was taken.
local window, now, span = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local answer, taken = {}, false
redis.call('ZREMRANGEBYSCORE', window, '-inf', string.format('%.0f', now - span))
local count = redis.call('ZCARD', window)
for n = 3, #ARGV, 3 do
  local member, max = ARGV[n], tonumber(ARGV[n + 1])
  local held = redis.call('ZSCORE', window, member)
  if held or count < max then
    redis.call('ZADD', window, 'GT', ARGV[1], member)
    count = held and count or count + 1
    taken = true
    answer[#answer + 1] = held and 'h' or 'n'
  else
    local place = math.max(count - math.max(max, 1), 0) + tonumber(ARGV[n + 2])
    local found = redis.call('ZRANGE', window, place, place, 'WITHSCORES')
    answer[#answer + 1] = found[2] and string.format('%.0f', tonumber(found[2])) or ARGV[1]
  end
end
if taken then
  redis.call('PEXPIRE', window, ARGV[2])
end
return answer
