-- Replaces the row of a family of refresh tokens and saves the access token, if and only if the family is at the
-- expected generation: {'saved', nil}. Otherwise nothing changes: {'lost', the family's row if there is one}, or
-- {'taken', nil}, where an access token of that key is there.
-- KEYS: the family, the access token. ARGV: what the family's row must begin with, its next row and end, the access
-- token's row and end (Unix seconds).
local current = redis.call('GET', KEYS[1])
if not current or string.sub(current, 1, #ARGV[1]) ~= ARGV[1] then
  return { 'lost', current }
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return { 'taken', false }
end
redis.call('SET', KEYS[1], ARGV[2], 'EXAT', ARGV[3])
redis.call('SET', KEYS[2], ARGV[4], 'EXAT', ARGV[5])
return { 'saved', false }
