-- Consumes the code KEYS[1], whose row begins with its state: 1 for one caller, ever; 0 for everybody else, and for a
-- code that is not there.
if redis.call('GETRANGE', KEYS[1], 0, 0) ~= 'a' then
  return 0
end
redis.call('SETRANGE', KEYS[1], 0, 'c')
return 1
