-- Adds the entry ARGV[1], which ends at the Unix second ARGV[2], to the indexes KEYS, and takes out what has ended.
-- Called before the entry's row is written, so that no row is missed. An index lives as long as its last entry; at most
-- 100 are taken out at a time, which keeps up and blocks nobody.
local now = redis.call('TIME')[1]
for _, index in ipairs(KEYS) do
  redis.call('ZADD', index, 'GT', ARGV[2], ARGV[1])
  redis.call('EXPIREAT', index, ARGV[2], 'NX')
  redis.call('EXPIREAT', index, ARGV[2], 'GT')
  local ended = redis.call('ZCOUNT', index, '-inf', now)
  if ended > 0 then
    redis.call('ZREMRANGEBYRANK', index, 0, math.min(ended, 100) - 1)
  end
end
