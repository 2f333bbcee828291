-- Makes changes: all of them, or none and an error.
-- KEYS: the entries, the record of changes.
-- ARGV: the revision that the caller has come to, a number of its own, how many changes the record keeps; then for each change the entry's key
-- and its upstreams, or nothing if it is to go.
-- Gives the last revision, and for each change 1 if there was an entry before, else 0.
local entries, changes = KEYS[1], KEYS[2]
local revision = 0
if redis.call('EXISTS', changes) == 1 then
  local stream = redis.call('XINFO', 'STREAM', changes)
  for at = 1, #stream, 2 do
    if stream[at] == 'last-generated-id' then
      revision = tonumber(string.match(stream[at + 1], '^%d+'))
    end
  end
end
if revision < tonumber(ARGV[1]) then
  return redis.error_reply(string.format('BEHIND it is at revision %.0f, the daemon at %s', revision, ARGV[1]))
end
-- What is written is not taken back if something after it fails. So what can fail does so before: if another program has that key for something else,
redis.call('HLEN', entries)
-- or if the user may not do all that is done below (Redis 7).
if redis.acl_check_cmd then
  for _, command in ipairs({
    { 'HSET', entries, '', '' },
    { 'HDEL', entries, '' },
    { 'XADD', changes, 'MAXLEN', '~', ARGV[3], '*', '', '' },
  }) do
    if not redis.acl_check_cmd(unpack(command)) then
      return redis.error_reply('NOPERM the user may not ' .. command[1])
    end
  end
end
local before = {}
for at = 4, #ARGV, 2 do
  local key, upstreams = ARGV[at], ARGV[at + 1]
  local was_there
  if upstreams ~= '' then
    was_there = 1 - redis.call('HSET', entries, key, upstreams)
  else
    was_there = redis.call('HDEL', entries, key)
  end
  if upstreams ~= '' or was_there == 1 then
    revision = revision + 1
    local id = string.format('%.0f-%s', revision, ARGV[2])
    redis.call('XADD', changes, 'MAXLEN', '~', ARGV[3], id, 'key', key, 'upstreams', upstreams)
  end
  before[#before + 1] = was_there
end
return { string.format('%.0f', revision), table.concat(before) }
