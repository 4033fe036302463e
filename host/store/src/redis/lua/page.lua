-- Reads a lane's messages above a place. Answers place, name, "attempts due since" and content of each.
local lane, after, limit = arg(), arg(), arg()
local answer = {}
local found = redis.call('ZRANGEBYSCORE', base .. 'q:' .. lane, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
for n = 1, #found, 2 do
  local ref = found[n]
  answer[#answer + 1] = found[n + 1]
  answer[#answer + 1] = ref
  answer[#answer + 1] = redis.call('HGET', base .. 'out', ref)
  answer[#answer + 1] = redis.call('HGET', base .. 'b:' .. day_of(string.match(ref, '%.(%d+)$')), ref)
end
return answer
