-- Notes what somebody did after a campaign's message, the first time. Answers whether it counted.
local which, conversation, name, within_ms, at = arg(), arg(), arg(), arg(), arg()
local kept = redis.call('HGET', base .. 'reached:' .. which, conversation)
if not kept then
  return 0
end
local since, variant = string.match(kept, '^(%d+) (%d*)$')
local waited = tonumber(at) - tonumber(since)
if waited < 0 or waited >= tonumber(within_ms) then
  return 0
end
if redis.call('HSETNX', base .. 'reached:' .. which, name .. conversation, at) == 0 then
  return 0
end
count(which .. ' ' .. variant, name .. int(math.floor(tonumber(since) / HOUR_MS)), 1)
return 1
