-- Puts messages into the outbox, each once. Answers for each: d known, g the conversation is not there, q<name> <place> in
-- the queue, p<name> parked; and when something is due next, if that changed.
local now = arg()
local known_day = arg()
local answer, written, is_parked = {}, {}, false
for n = 1, num() do
  local conversation, game, seen, digest, doc, who = arg(), arg(), arg(), arg(), arg(), arg()
  local at, body, campaign, lane, not_before, reason = num(), arg(), arg(), arg(), arg(), arg()
  local key = base .. 'c:' .. conversation
  local known = redis.call('HMGET', key, 'v', 'o')
  local begins = doc ~= '' and not known[1]
  local is_new
  if seen ~= '' then
    is_new = redis.call('SADD', base .. 's:' .. seen, digest) == 1
    written['s:' .. seen] = true
  elseif not known[1] and not begins then
    answer[n] = 'g'
  else
    is_new = is_first(digest, now)
  end
  local seq = is_new and math.max(tonumber(known[2] or '0') + 1, at)
  if begins then
    redis.call('HINCRBY', base .. 'n', 'conversation', 1)
    redis.call('HSET', key, 'v', '0', 'd', doc, 'k', who, 'g', game, 'o', int(seq or 0))
  elseif seq then
    redis.call('HSET', key, 'o', int(seq))
  end
  if seq then
    local ref, day = conversation .. '.' .. int(seq), day_of(seq)
    redis.call('HSET', base .. 'b:' .. day, ref, body)
    if day ~= known_day then
      touch('b:' .. day, '0')
      known_day = day
    end
    if campaign ~= '' then
      mark(ref, day, campaign)
      count(campaign, 'queued', 1)
    end
    if not_before == '' then
      answer[n] = 'q' .. int(seq) .. ' ' .. queue(ref, '0', int(at), lane, '')
    else
      redis.call('HSET', base .. 'out', ref, '0 ' .. not_before .. ' 0 ' .. lane .. ' ')
      park(ref, not_before, reason)
      is_parked = true
      answer[n] = 'p' .. int(seq)
    end
  else
    answer[n] = answer[n] or 'd'
  end
end
for _ = 1, num() do
  local bucket, ttl = arg(), arg()
  if written[bucket] then
    touch(bucket, now)
    redis.call('EXPIRE', base .. bucket, ttl)
  end
end
return { is_parked and next_due(), table.concat(answer, ',') }
