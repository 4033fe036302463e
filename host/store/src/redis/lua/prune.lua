-- Forgets what is older than it needs to be: at most `limit` rows of each kind. Answers rows of each kind:
-- repetitions, receipts, contents of sent messages, notices.
local now, limit, seen_before, receipts_before, notices_before = num(), num(), num(), num(), num()
local seen, receipts, contents, notices = 0, 0, 0, 0
local buckets = redis.call('ZRANGE', base .. 'buckets', 0, -1, 'WITHSCORES')
for n = 1, #buckets, 2 do
  local bucket, last_write = buckets[n], tonumber(buckets[n + 1])
  local kind, day = string.match(bucket, '^(%a):(%d+)$')
  local key, gone = base .. bucket, false
  -- Old by the sender's clock and by ours.
  if kind == 's' and last_write < seen_before and (tonumber(day) + 1) * DAY_MS <= seen_before and seen < limit then
    seen = seen + #redis.call('SPOP', key, limit - seen)
    gone = redis.call('EXISTS', key) == 0
  elseif kind == 'r' and last_write < receipts_before and receipts < limit then
    local fields = redis.call('HRANDFIELD', key, math.min(limit - receipts, 1000))
    if #fields > 0 then
      receipts = receipts + redis.call('HDEL', key, unpack(fields))
    end
    gone = redis.call('EXISTS', key) == 0
  elseif kind == 'b' and (tonumber(day) + 1) * DAY_MS <= now and contents < limit then
    for _, ref in ipairs(redis.call('HKEYS', key)) do
      if contents >= limit then
        break
      end
      if redis.call('HEXISTS', base .. 'out', ref) == 0 then
        local receipt = redis.call('HGET', base .. 'r:' .. day, ref)
        local state, since = string.match(receipt or '', '^(%d) (%d+)')
        -- What failed keeps its content for as long as its receipt: its step may come late.
        if not state or (state ~= '5' and tonumber(since) + DAY_MS <= now) then
          contents = contents + redis.call('HDEL', key, ref)
        end
      end
    end
    gone = redis.call('EXISTS', key) == 0
  end
  if gone then
    redis.call('ZREM', base .. 'buckets', bucket)
  end
end
while notices < limit do
  local oldest = redis.call('LINDEX', base .. 'notices', -1)
  if not oldest or tonumber(string.match(oldest, '^(%d+)')) >= notices_before then
    break
  end
  redis.call('RPOP', base .. 'notices')
  notices = notices + 1
end
return { seen, receipts, contents, notices }
