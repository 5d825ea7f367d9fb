-- wrk: small JSON-RPC calls as an MCP client makes them, each with a traceparent of its own.
local before, after
local pause = 0
local count = 0

function init(args)
  local path = args[1]
  pause = tonumber(args[2])
  local body = '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"query",'
    .. '"arguments":{"table":"orders","where":"created_at >= 2026-03-01","limit":50}}}'
  before = "POST " .. path .. " HTTP/1.1\r\n"
    .. "Host: " .. wrk.host .. ":" .. wrk.port .. "\r\n"
    .. "User-Agent: mcp-client/1.0\r\n"
    .. "Accept: application/json, text/event-stream\r\n"
    .. "Accept-Encoding: gzip, deflate\r\n"
    .. "Content-Type: application/json\r\n"
    .. "Mcp-Protocol-Version: 2026-03-26\r\n"
    .. "Mcp-Session-Id: 5f1c8b0e7a9d4c2f8e6b3a1d0c9f7e5b\r\n"
    .. "Mcp-Method: tools/call\r\n"
    .. "Mcp-Name: query\r\n"
    .. "Authorization: Bearer of-the-client\r\n"
    .. "traceparent: 00-"
  after = "-01\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

function request()
  count = count + 1
  return before .. string.format("%016x%016x-%016x", os.time(), count, count * 7919) .. after
end

-- Milliseconds before a request.
function delay()
  return pause
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"took_us":%d,"errors":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
