-- Reads a conversation and its oldest events. Answers the conversation, the failed tries of its oldest event, and place
-- and content of each event; nothing when there is no such conversation.
local conversation, limit = arg(), num()
local doc, tries, head, last = unpack(call('HMGET', base .. 'c:' .. conversation, 'd', 't', 'h', 'i'))
if not doc then
  return {}
end
local answer = { doc, tries or '' }
for seq = tonumber(head or '1'), tonumber(last or '0') do
  if #answer >= 2 * limit + 2 then
    break
  end
  local event = call('HGET', base .. 'inbox', conversation .. '.' .. int(seq))
  if event then
    answer[#answer + 1] = int(seq)
    answer[#answer + 1] = event
  end
end
return answer
