-- Ends wrk's report with one line of JSON, in wrk's own units: microseconds, bytes, requests.
-- `done` and its arguments: SCRIPTING in wrk's sources.
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
