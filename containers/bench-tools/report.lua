-- Loaded by wrk. With three words behind the address, each request is for another one of so many hosts. Ends wrk's report with one line of
-- JSON, in wrk's own units: microseconds, bytes, requests.
-- `setup`, `init`, `request` and `done`, and their arguments: SCRIPTING in wrk's sources.
local threads = 0

-- Each thread begins elsewhere, as bench-driver's own threads do.
function setup(thread)
  thread:set("state", threads * 0x9e3779b9 % 2 ^ 32)
  threads = threads + 1
end

function init(args)
  local before, after, count = args[1], args[2], tonumber(args[3])
  if not count then
    return
  end
  local path = wrk.path
  local head = "GET " .. path .. " HTTP/1.1\r\n"
  for name, value in pairs(wrk.headers) do
    if name ~= "Host" then
      head = head .. name .. ": " .. value .. "\r\n"
    end
  end
  head = head .. "Host: " .. before
  local tail = after .. "\r\n\r\n"
  -- A linear congruential generator, of which only the upper bits are random enough; all products are exact in a double.
  function request()
    state = (state * 1664525 + 1013904223) % 2 ^ 32
    return head .. string.format("%08d", math.floor(state * count / 2 ^ 32)) .. tail
  end
end

function done(summary, latency, requests)
  local percentiles = {}
  for _, percent in ipairs({ 50, 75, 90, 99, 99.9, 99.99 }) do
    percentiles[#percentiles + 1] = string.format('[%s,%d]', percent, latency:percentile(percent))
  end
  local errors = summary.errors
  io.write(string.format(
    '{"duration_us":%d,"requests":%d,"bytes":%d,"percentiles_us":[%s],"max_us":%d,'
      .. '"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
    summary.duration, summary.requests, summary.bytes, table.concat(percentiles, ","), latency.max,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
