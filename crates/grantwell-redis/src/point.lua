-- Lets KEYS[1] lead to ARGV[1] until the Unix second ARGV[2] at least: 'new'; or 'there', if it does already;
-- or 'elsewhere', and nothing changes, if it leads elsewhere.
local target = redis.call('GET', KEYS[1])
if not target then
  redis.call('SET', KEYS[1], ARGV[1], 'EXAT', ARGV[2])
  return 'new'
end
if target ~= ARGV[1] then
  return 'elsewhere'
end
redis.call('EXPIREAT', KEYS[1], ARGV[2], 'GT')
return 'there'
