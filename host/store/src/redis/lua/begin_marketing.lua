-- As begin, for marketing. Answers a word for each message: b begun, g gone from the outbox, n not agreed to, and h with the
-- time until which Meta takes none.
local at, answer = arg(), {}
for n = 1, num() do
  local ref, conversation = arg(), arg()
  local allowed_from = redis.call('HGET', base .. 'c:' .. conversation, 'm')
  local live = redis.call('HGET', base .. 'out', ref)
  if not allowed_from or allowed_from == '' then
    answer[n] = 'n'
  elseif tonumber(allowed_from) > tonumber(at) then
    answer[n] = 'h' .. allowed_from
  elseif live then
    answer[n] = 'b'
    local before, wamid = string.match(live, '^(%d+ %d+) %d+ (.*)$')
    redis.call('HSET', base .. 'out', ref, before .. ' ' .. at .. ' ' .. wamid)
  else
    answer[n] = 'g'
  end
end
return table.concat(answer, ' ')
