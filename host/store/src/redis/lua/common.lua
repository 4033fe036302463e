-- What every script of a partition begins with: is the caller still the one who holds it?
-- KEYS[1] is the partition's lease, ARGV[1] the lease that the caller was given.
local held = redis.call('GET', KEYS[1])
if held ~= arg() then
  return redis.error_reply('FENCED ' .. (held or 'nobody'))
end

-- All keys of a partition begin alike and share one hash tag, hence one slot.
local base = string.sub(KEYS[1], 1, -6)
local DAY_MS = 86400000

-- Lua writes large numbers as 1.7e+12 unless told otherwise. Exact below 2^53.
local function int(number)
  return string.format('%.0f', number)
end

-- An outgoing message's place is the millisecond of its commit, so it tells the day in whose buckets the message lies.
local function day_of(seq)
  return int(math.floor(tonumber(seq) / DAY_MS))
end

-- Whether something whose key has no time of its own comes for the first time; then it is known for 15 days.
local function is_first(digest, at)
  local key = base .. 'k:' .. digest
  local known = redis.call('GET', key)
  if known and tonumber(at) - tonumber(known) < 15 * DAY_MS then
    return false
  end
  redis.call('SET', key, at, 'PX', 15 * DAY_MS)
  return true
end

-- What is sealed is not looked into here. To be compared it has a mark in front: \2 and 20 more bytes, a digest. `marks` are
-- all that may stand for one thing, behind one another, and behind them what it was before anything was sealed.
local MARK_LEN = 21
local function is_one_of(kept, marks)
  if string.byte(kept) == 2 then
    local mark = string.sub(kept, 1, MARK_LEN)
    for at = 1, #marks - MARK_LEN + 1, MARK_LEN do
      if string.sub(marks, at, at + MARK_LEN - 1) == mark then
        return true
      end
    end
    return false
  end
  local before = #marks - #kept
  return kept ~= '' and before >= 0 and before % MARK_LEN == 0 and string.sub(marks, before + 1) == kept
end

-- Notes what is to be done outside of this slot when a conversation's contact or player changes.
local function note_move(conversation, before, after)
  redis.call('RPUSH', base .. 'moves', 'm' .. conversation .. ' ' .. #before .. ' ' .. before .. after)
end

-- A dead letter of a message that lies here already: what is known of it, and what it says.
local function letter_of(conversation, game, attempts, head, body)
  return 'L' .. conversation .. ' ' .. game .. ' ' .. attempts .. ' ' .. #head .. ' ' .. head .. body
end

-- Puts an event at the end of a conversation's inbox; says its place there.
local function put(conversation, game, received_at, event)
  local seq = int(redis.call('HINCRBY', base .. 'c:' .. conversation, 'i', 1))
  if redis.call('RPUSH', base .. 'in:' .. conversation, seq .. ' ' .. received_at .. ' ' .. event) == 1 then
    redis.call('HSET', base .. 'pending', conversation, game)
  end
  return seq
end

-- Keeps a dead letter. Its name leads with the time, so that letters of all partitions sort by age, and ends with the
-- partition, so that it is found again.
local function bury(game, at, letter)
  local last = tonumber(redis.call('HGET', base .. 'n', 'letter') or '0')
  local time = math.max(last + 1, tonumber(at))
  redis.call('HSET', base .. 'n', 'letter', int(time))
  local id = int(time * 1024 + tonumber(string.match(base, '{p(%d+)}')))
  redis.call('HSET', base .. 'letters', id, letter)
  redis.call('ZADD', base .. 'letters:by-id', id, id .. ' ' .. game)
  return id
end

-- Gives a message the next place of its partition, in its lane. `wamid` is that of an earlier send, or empty.
local function queue(ref, attempts, due_at, lane, wamid)
  local place = int(redis.call('HINCRBY', base .. 'n', 'place', 1))
  if redis.call('ZADD', base .. 'q:' .. lane, place, ref) == 1 then
    redis.call('SADD', base .. 'lanes', lane)
  end
  redis.call('HSET', base .. 'out', ref, attempts .. ' ' .. due_at .. ' 0 ' .. lane .. ' ' .. wamid)
  return place
end

-- The lane of a message that is in the outbox, by what stands of it there.
local function lane_of(live)
  return string.match(live, '^%d+ %d+ %d+ (%S+) ')
end

-- core::broadcast::of_flows: what flows send by a template is counted, and is no bulk.
local function is_bulk(campaign)
  return campaign and not string.find(campaign, '/t-', 1, true)
end

-- Messages of a campaign are marked, `<game>/<campaign> <variant>`, and what becomes of them is counted.
local MARKED_S, COUNTED_S = 60 * 86400, 100 * 86400
local function mark(ref, day, campaign)
  redis.call('HSET', base .. 'g:' .. day, ref, campaign)
  redis.call('EXPIRE', base .. 'g:' .. day, MARKED_S)
end
local function campaign_of(ref)
  return redis.call('HGET', base .. 'g:' .. day_of(string.match(ref, '%.(%d+)$')), ref)
end
local function count(campaign, name, by)
  if campaign then
    local which, variant = string.match(campaign, '^(%S+) (%d*)$')
    local key, field = base .. 'tally:' .. which, variant == '' and name or variant .. '/' .. name
    if redis.call('HINCRBY', key, field, by) == by then
      redis.call('EXPIRE', key, COUNTED_S)
    end
  end
end

-- Whom a campaign's message reached, and when: core::experiment counts by the hour of it. Meta may leave somebody out.
local HOUR_MS = 3600000
local function reached_key(campaign)
  return base .. 'reached:' .. string.match(campaign, '^(%S+) ')
end
local function reached(campaign, conversation, at)
  if not campaign then
    return
  end
  local kept = at .. ' ' .. string.match(campaign, ' (%d*)$')
  local is_new = redis.call('HSETNX', reached_key(campaign), conversation, kept) == 1
  -- Of what flows send, each day's first counts: what follows is due to the last one.
  if not is_new and not is_bulk(campaign) then
    local variant = string.match(redis.call('HGET', reached_key(campaign), conversation), ' (%d*)$')
    redis.call('HSET', reached_key(campaign), conversation, kept)
    is_new = variant ~= string.match(campaign, ' (%d*)$')
  end
  if is_new then
    redis.call('EXPIRE', reached_key(campaign), COUNTED_S)
    count(campaign, 'reached:' .. int(math.floor(tonumber(at) / HOUR_MS)), 1)
  end
end
local function left_out(campaign, conversation)
  local kept = campaign and redis.call('HGET', reached_key(campaign), conversation)
  if kept then
    redis.call('HDEL', reached_key(campaign), conversation)
    count(campaign, 'reached:' .. int(math.floor(tonumber(string.match(kept, '^%d+')) / HOUR_MS)), -1)
  end
end

-- A parked message waits no more. False when it was not parked.
local function unpark(ref)
  if redis.call('ZREM', base .. 'parked', ref) == 0 then
    return false
  end
  local why = redis.call('HGET', base .. 'parked:why', ref)
  redis.call('HDEL', base .. 'parked:why', ref)
  count(campaign_of(ref), 'parked:' .. (why or ''), -1)
  return true
end

-- Takes a message out of the outbox, where this stands of it.
local function take_out(ref, live)
  redis.call('HDEL', base .. 'out', ref)
  redis.call('ZREM', base .. 'q:' .. lane_of(live), ref)
  unpark(ref)
end

-- When there is next something to do: a timer to fire or a parked message to queue. '' for never.
local function next_due()
  local timer = redis.call('ZRANGE', base .. 'timers', 0, 0, 'WITHSCORES')[2]
  local parked = redis.call('ZRANGE', base .. 'parked', 0, 0, 'WITHSCORES')[2]
  if timer and parked then
    return tonumber(timer) < tonumber(parked) and timer or parked
  end
  return timer or parked or ''
end

-- Parks a message until a time.
local function park(ref, till, reason)
  unpark(ref)
  count(campaign_of(ref), 'parked:' .. reason, 1)
  redis.call('ZADD', base .. 'parked', till, ref)
  redis.call('HSET', base .. 'parked:why', ref, reason)
end

-- core::status::DeliveryState::advance: accepted 0, sent 1, delivered 2, read 3, played 4, failed 5.
local function advance(state, news)
  if state == 5 then
    return 5
  end
  if news == 5 then
    return state <= 1 and 5 or state
  end
  return news > state and news or state
end

-- Remembers when a bucket was last written to, for forgetting it later.
local function touch(bucket, at)
  redis.call('ZADD', base .. 'buckets', 'GT', at, bucket)
end
