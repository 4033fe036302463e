-- Reads what waits of a conversation below a place in some lanes. Answers place, name, "attempts due since" and content of each.
local prefix, before = arg() .. '.', arg()
local answer = {}
for _ = 1, num() do
  local found = redis.call('ZRANGEBYSCORE', base .. 'q:' .. arg(), '-inf', '(' .. before, 'WITHSCORES')
  for n = 1, #found, 2 do
    local ref = found[n]
    if string.sub(ref, 1, #prefix) == prefix then
      answer[#answer + 1] = found[n + 1]
      answer[#answer + 1] = ref
      answer[#answer + 1] = redis.call('HGET', base .. 'out', ref)
      answer[#answer + 1] = redis.call('HGET', base .. 'b:' .. day_of(string.match(ref, '%.(%d+)$')), ref)
    end
  end
end
return answer
