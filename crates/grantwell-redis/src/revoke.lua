-- Revokes what an index named: empties the row KEYS[1], or puts an empty one there until the Unix second ARGV[1], so
-- that whoever was about to write the row comes too late. 1 if it stood until now, otherwise 0.
-- A row that does not begin with ARGV[2] is another's, and is left alone.
local row = redis.call('GET', KEYS[1])
if row and string.sub(row, 1, #ARGV[2]) ~= ARGV[2] then
  return 0
end
redis.call('SET', KEYS[1], '', 'EXAT', ARGV[1])
if row and row ~= '' then
  return 1
end
return 0
