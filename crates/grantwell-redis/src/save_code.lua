-- Inserts a code, and its authorization if that is absent: 1. If the code is there already, nothing changes: 0.
-- A revoked authorization is an empty row, and stays one.
-- KEYS: the authorization, the code. ARGV: the row and end (Unix seconds) of each.
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EXAT', ARGV[2])
redis.call('SET', KEYS[2], ARGV[3], 'EXAT', ARGV[4])
return 1
