-- Claims KEYS[1] until the Unix second ARGV[1]: 1 for the first caller, 0 for every later one.
-- However early that is, the claim is kept for ARGV[2] seconds from now. Were what has ended by this clock not kept at
-- all, every caller would be the first.
local now = tonumber(redis.call('TIME')[1])
local expires_at = math.max(tonumber(ARGV[1]), now + tonumber(ARGV[2]))
if redis.call('SET', KEYS[1], '', 'NX', 'EXAT', string.format('%.0f', expires_at)) then
  return 1
end
return 0
