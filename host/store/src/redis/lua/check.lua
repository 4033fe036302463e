-- Writes something, to know that it can be done.
call('HSET', base .. 'n', 'checked', arg())
return 1
