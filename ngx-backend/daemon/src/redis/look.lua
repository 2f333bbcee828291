-- Gives the last position of the record of changes, or nothing if there is no record; 1 if it has the position that the caller has come to, else 0;
-- and how many entries there are.
-- KEYS: the entries, the record of changes. ARGV: that position.
local entries, changes = KEYS[1], KEYS[2]
local last, has_it = '', 0
if redis.call('EXISTS', changes) == 1 then
  local stream = redis.call('XINFO', 'STREAM', changes)
  for at = 1, #stream, 2 do
    if stream[at] == 'last-generated-id' then
      last = stream[at + 1]
    end
  end
  has_it = #redis.call('XRANGE', changes, ARGV[1], ARGV[1])
end
return { last, has_it, redis.call('HLEN', entries) }
