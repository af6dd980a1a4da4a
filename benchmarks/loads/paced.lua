-- wrk that keeps a rate, as wrk2 does: RATE in arrivals/s comes from the environment. The schedule
-- is that of the only thread; a connection that is free takes the next arrival.
local ffi = require("ffi")
ffi.cdef([[
typedef struct { long seconds; long nanoseconds; } moment;
int clock_gettime(int clock, moment *now);
]])

local MONOTONIC = 1
local now = ffi.new("moment")
local between_ms = 1000 / tonumber(os.getenv("RATE"))
local due_ms

local function now_ms()
  ffi.C.clock_gettime(MONOTONIC, now)
  return tonumber(now.seconds) * 1e3 + tonumber(now.nanoseconds) / 1e6
end

function delay()
  due_ms = (due_ms or now_ms()) + between_ms
  return math.max(0, math.floor(due_ms - now_ms() + 0.5))
end
