-- Notes that sends begin now. Answers a letter for each: b begun, g gone from the outbox.
local at, answer = arg(), {}
for n = 1, num() do
  local ref = arg()
  local out = call('HGET', base .. 'out', ref)
  if out or call('ZSCORE', base .. 'queue', ref) then
    -- Without an entry: not tried yet, and due since it was committed.
    local before, wamid = string.match(out or '0   ', '^(%d+ %d*) %d* (.*)$')
    call('HSET', base .. 'out', ref, before .. ' ' .. at .. ' ' .. wamid)
    answer[n] = 'b'
  else
    answer[n] = 'g'
  end
end
return table.concat(answer)
