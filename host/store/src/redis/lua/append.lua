-- Appends what one POST holds for this partition: events that are new, and statuses of our messages.
-- Answers for each event: d known, n<place> new, c<place> new in a new conversation, g the conversation is not there;
-- for each status: u unknown,
-- s taken, f<place> <game> taken, and the message has now failed; for each bucket that was named: t its writing was
-- noted, - it was not written to. <place> is that of the event in its inbox.
local received_at = arg()
local answer, written = {}, {}

for _ = 1, num() do
  local conversation, game, seen, digest, event, doc, who = arg(), arg(), arg(), arg(), arg(), arg(), arg()
  local is = 'n'
  if doc ~= '' and redis.call('HSETNX', base .. 'c:' .. conversation, 'v', '0') == 1 then
    redis.call('HSET', base .. 'c:' .. conversation, 'd', doc, 'k', who, 'g', game)
    redis.call('HINCRBY', base .. 'n', 'conversation', 1)
    is = 'c'
  end
  if digest ~= '' and seen == '' then
    if redis.call('HEXISTS', base .. 'c:' .. conversation, 'v') == 0 then
      answer[#answer + 1] = 'g'
    elseif is_first(digest, received_at) then
      answer[#answer + 1] = is .. put(conversation, game, received_at, event)
    else
      answer[#answer + 1] = 'd'
    end
  elseif digest == '' or redis.call('SADD', base .. 's:' .. seen, digest) == 1 then
    answer[#answer + 1] = is .. put(conversation, game, received_at, event)
    written['s:' .. seen] = true
  else
    answer[#answer + 1] = 'd'
  end
end

for _ = 1, num() do
  local conversation, seq, news, at, wamid, marks, event, code = arg(), arg(), num(), arg(), arg(), arg(), arg(), arg()
  local ref, receipts = conversation .. '.' .. seq, base .. 'r:' .. day_of(seq)
  local before, after, attempts
  local live = redis.call('HGET', base .. 'out', ref)
  local receipt = not live and redis.call('HGET', receipts, ref)
  local is = 's'
  if live then
    local tries, earlier = string.match(live, '^(%d+) %d+ %d+ %S+ (.*)$')
    -- A late status of an earlier send changes nothing. Any other settles it: nobody but Meta can know of it.
    if not is_one_of(earlier, marks) then
      take_out(ref, live)
      attempts, after = int(tonumber(tries) + 1), advance(0, news)
    end
  elseif receipt then
    local state, tries, known = string.match(receipt, '^(%d) %d+ (%d+) (.*)$')
    before = tonumber(state)
    local foreign = news == 5 and known ~= '' and not is_one_of(known, marks)
    if not foreign and advance(before, news) ~= before then
      attempts, after = tries, advance(before, news)
      wamid = known ~= '' and known or wamid
    end
  else
    is = 'u'
  end
  if after then
    redis.call('HSET', receipts, ref, after .. ' ' .. at .. ' ' .. attempts .. ' ' .. wamid)
    written['r:' .. day_of(seq)] = true
    local campaign = campaign_of(ref)
    if campaign then
      if live then
        count(campaign, 'accepted', 1)
        reached(campaign, conversation, at)
      end
      -- core::broadcast::passed.
      if after == 5 then
        count(campaign, 'failed:' .. code, 1)
        if code == '130472' then
          left_out(campaign, conversation)
        end
      else
        for n, name in ipairs({ 'sent', 'delivered', 'read' }) do
          if n > (before or 0) and n <= after then
            count(campaign, name, 1)
          end
        end
      end
    end
    if after >= 2 and after <= 4 then
      redis.call('HDEL', base .. 'b:' .. day_of(seq), ref)
    end
    if after == 5 then
      local game = redis.call('HGET', base .. 'c:' .. conversation, 'g')
      is = 'f' .. put(conversation, game, received_at, event) .. ' ' .. game
    end
  end
  answer[#answer + 1] = is
end

for _ = 1, num() do
  local bucket, ttl = arg(), arg()
  if written[bucket] then
    touch(bucket, received_at)
    if ttl ~= '' then
      redis.call('EXPIRE', base .. bucket, ttl)
    end
  end
  answer[#answer + 1] = written[bucket] and 't' or '-'
end
return table.concat(answer, ',')
