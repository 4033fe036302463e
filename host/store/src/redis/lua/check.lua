-- Writes something, to know that it can be done.
redis.call('HSET', base .. 'n', 'checked', arg())
return 1
