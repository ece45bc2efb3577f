-- Inserts a code, and its authorization if that is absent: 1. If the code is there already, nothing changes: 0.
-- A revoked authorization is an empty row, and stays one.
-- KEYS: the authorization, the code. ARGV: the code's row and end, the authorization's row and end (Unix seconds).
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[3], 'NX', 'EXAT', ARGV[4])
redis.call('SET', KEYS[2], ARGV[1], 'EXAT', ARGV[2])
return 1
