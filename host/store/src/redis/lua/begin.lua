-- Notes that sends begin now. Answers a letter for each: b begun, g gone from the outbox.
local at, answer = arg(), {}
for n = 1, num() do
  local ref = arg()
  local live = redis.call('HGET', base .. 'out', ref)
  answer[n] = live and 'b' or 'g'
  if live then
    local before, wamid = string.match(live, '^(%d+ %d+) %d+ (.*)$')
    redis.call('HSET', base .. 'out', ref, before .. ' ' .. at .. ' ' .. wamid)
  end
end
return table.concat(answer)
