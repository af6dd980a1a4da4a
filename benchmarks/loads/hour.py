"""The record of an hour at 5,000 requests/s over 10 endpoints: `hour.py [MINUTES RATE]`.

The time is simulated.

Prints as JSON the memory of the recorder: the peak growth of the process's resident memory, which
includes the allocator's share. The recorder keeps response headers until the next flush only, so
only the requests of the last minute have headers, unless MINUTES and RATE are given.

Also prints the time to decode and to merge the records of ten workers. Each is a copy of the whole
hour's record, which is larger than a tenth of the load.
"""

import gc
import json
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np
from straingauge.http import RawHeaders
from straingauge.http.codec import ResponseReader
from straingauge.recording import Record, Recorder

RATE_PER_S: Final = 5_000
ENDPOINTS: Final = 10
WORKERS: Final = 10
DRAWN: Final = 1 << 16
WITH_HEADERS: Final = 60 * RATE_PER_S
RESPONSE: Final = (
    b"HTTP/1.1 200 OK\r\nDate: Sun, 01 Mar 2026 09:00:00 GMT\r\nServer: service\r\n"
    b"Content-Type: application/json\r\nContent-Length: 2\r\nX-Request-ID: 0123456789abcdef\r\n"
    b"Server-Timing: pool;dur=0.1, db;dur=2.5, app;dur=3.1\r\n\r\n{}"
)


def memory_bytes(field: str) -> int:
    """Return VmRSS (current) or VmHWM (peak resident memory) of proc(5), in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def parsed_headers() -> RawHeaders:
    """Return the headers of a response, in the engine's format."""
    reader = ResponseReader()
    reader.feed(RESPONSE)
    return reader.headers


def feed(recorder: Recorder, service_ns: list[int], rate_per_s: int, requests: int) -> None:
    """Record requests at their simulated times."""
    sinks = [recorder.endpoint_sink("main", f"GET /{n}", 0) for n in range(ENDPOINTS)]
    between_ns = 1_000_000_000 // rate_per_s
    without_headers = requests - WITH_HEADERS if rate_per_s == RATE_PER_S else 0
    for n in range(requests):
        headers = parsed_headers() if n >= without_headers else None
        at_ns, duration_ns = n * between_ns, service_ns[n % DRAWN]
        sent_ns = at_ns + 30_000
        first_ns = sent_ns + duration_ns - 10_000
        sinks[n % ENDPOINTS].add(at_ns, sent_ns, first_ns, sent_ns + duration_ns, 200, headers)


def main() -> None:
    """Record, merge and print."""
    minutes, rate_per_s = map(int, sys.argv[1:] or (60, RATE_PER_S))
    count = 60 * minutes * rate_per_s
    drawn = np.random.default_rng(1).lognormal(np.log(5e6), 1.0, DRAWN)
    service_ns = np.clip(drawn, 20_000, 60e9).astype(np.int64).tolist()
    gc.collect()
    before_bytes = memory_bytes("VmRSS")
    recorder = Recorder()
    began_s = time.process_time()
    feed(recorder, service_ns, rate_per_s, count)
    record = recorder.snapshot()
    fed_s = time.process_time() - began_s
    memory_mb = (memory_bytes("VmHWM") - before_bytes) / 1e6
    encoded = record.to_bytes()
    began_s = time.perf_counter()
    records = [Record.from_bytes(encoded) for _ in range(WORKERS)]
    decoded_s = time.perf_counter()
    merged = records[0].merge(*records[1:])
    merged_s = time.perf_counter()
    requests = merged.total("main").requests
    if requests != WORKERS * count:
        raise SystemExit(f"{requests} requests in the merged record")
    measured = {
        "memory_mb": memory_mb,
        "add_us": fed_s * 1e6 / count,
        "encoded_mb": len(encoded) / 1e6,
        "decode_s": decoded_s - began_s,
        "merge_s": merged_s - decoded_s,
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
