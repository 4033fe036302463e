-- Lists names of dead letters above one, oldest first; of one game or of all.
local after, game, limit = arg(), arg(), num()
local answer, offset = {}, 0
while #answer < limit do
  local found = redis.call('ZRANGEBYSCORE', base .. 'letters:by-id', '(' .. after, '+inf', 'LIMIT', offset, 256)
  for _, member in ipairs(found) do
    local id, of = string.match(member, '^(%d+) (.*)$')
    if (game == '' or game == of) and #answer < limit then
      answer[#answer + 1] = id
    end
  end
  if #found < 256 then
    break
  end
  offset = offset + 256
end
return answer
