-- Saves what one answer of the token endpoint issues under one authorization, and consumes the code that bought it:
-- all of it ('saved') or nothing. 'lost': the code is not there or was consumed. 'taken': a token of that key is there,
-- also if it was revoked. 'absent': there is no authorization, and it is not known to the indexes yet.
-- A revoked authorization is an empty row, and stays one.
-- KEYS: the authorization, each token, [the code].
-- ARGV: what to do if the authorization is absent ('leave', 'tell', 'insert'), its row and end, each token's row and end
-- (Unix seconds).
local tokens = (#ARGV - 3) / 2
local code = KEYS[tokens + 2]
if code and redis.call('GETRANGE', code, 0, 0) ~= 'a' then
  return 'lost'
end
for i = 1, tokens do
  if redis.call('EXISTS', KEYS[i + 1]) == 1 then
    return 'taken'
  end
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  if ARGV[1] == 'tell' then
    return 'absent'
  elseif ARGV[1] == 'insert' then
    redis.call('SET', KEYS[1], ARGV[2], 'EXAT', ARGV[3])
  end
end
for i = 1, tokens do
  redis.call('SET', KEYS[i + 1], ARGV[2 * i + 2], 'EXAT', ARGV[2 * i + 3])
end
if code then
  redis.call('SETRANGE', code, 0, 'c')
end
return 'saved'
