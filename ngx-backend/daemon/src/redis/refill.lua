-- Puts a whole map where none is, part by part: nobody sees it before the last part.
-- KEYS: the entries, the record of changes, where the parts are gathered.
-- ARGV: the position that the map has come to, or nothing if this is not the last part; then keys and upstreams.
-- Gives 1; 0 if there is a map already.
local entries, changes, gathered = KEYS[1], KEYS[2], KEYS[3]
if redis.call('EXISTS', changes, entries) > 0 then
  redis.call('DEL', gathered)
  return 0
end
for at = 2, #ARGV, 2 do
  redis.call('HSET', gathered, ARGV[at], ARGV[at + 1])
end
if ARGV[1] == '' then
  -- What nobody finishes goes by itself.
  redis.call('EXPIRE', gathered, 600)
else
  redis.call('PERSIST', gathered)
  redis.call('RENAME', gathered, entries)
  -- A record that has come to that position and shows none of the changes that led there.
  redis.call('XADD', changes, ARGV[1], 'key', '', 'upstreams', '')
  redis.call('XTRIM', changes, 'MAXLEN', 0)
end
return 1
