-- Writes what lies under older keys as it is sealed now, each value only if it is still what was read.
-- Answers how many were written.
local written = 0
for _ = 1, num() do
  local kind, key, place, before, after = arg(), base .. arg(), arg(), arg(), arg()
  if kind == 'hash' then
    if redis.call('HGET', key, place) == before then
      redis.call('HSET', key, place, after)
      written = written + 1
    end
  elseif kind == 'list' then
    local at = redis.call('LPOS', key, before)
    if at then
      redis.call('LSET', key, at, after)
      written = written + 1
    end
  elseif kind == 'stream' then
    -- An entry cannot be changed: it goes to the end. Its record has its own time.
    if redis.call('XDEL', key, place) == 1 then
      redis.call('XADD', key, '*', 'c', before, 'j', after)
      written = written + 1
    end
  elseif redis.call('HGET', key, 'd') == before then
    -- A conversation; `place` is who it is with.
    redis.call('HSET', key, 'd', after, 'k', place)
    redis.call('HDEL', key, 'p')
    written = written + 1
  end
end
return written
