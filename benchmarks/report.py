"""Time and size of the report of an hour's load: `python benchmarks/report.py`.

The hour is simulated (12 endpoints, 100 requests/s, a database that is slow for five minutes), and
recorded, composed and written like any other load. Then `straingauge report FILE -o PAGE` is timed
five times, including the start of the process; the median counts.

exit codes: 0 all requirements met; 1 a requirement missed.
"""

import argparse
import math
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from straingauge.http import encode_headers
from straingauge.observe import Observations
from straingauge.recording import Recorder
from straingauge.result.assembly import compose, conclude
from straingauge.result.format import write
from straingauge.result.format.result import Result
from straingauge.verdict import Thresholds
from straingauge.workers import MergedReports, Report, RunMetadata

from straingauge import ErrorKind, RequestFailed

MAX_S, MAX_BYTES, MAX_SAMPLES = 2.0, 500_000, 2_048
ENDPOINTS, RATE_RPS, DURATION_S = 12, 100, 3_600
SLOW_S = (1_800, 2_100)
ROUNDS = 5
THRESHOLDS = {
    "p95_ms": {"target": 10, "warning": 50, "critical": 250},
    "error_rate_percent": {"target": 0, "warning": 0.1, "critical": 1},
}
DATA = re.compile(r'(?<=<script type="application/json" id="data">).*?(?=</script>)', re.DOTALL)


def main() -> int:
    """Simulate the hour, time the command and compare with the requirements."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--keep", type=Path, help="keep the result file and the page in this folder"
    )
    keep = parser.parse_args().keep
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        began_s = time.perf_counter()
        file = write(result(), folder)
        print(f"made {file.name}: {file.stat().st_size / 1e6:.2f} MB", end="")
        print(f", recorded and composed in {time.perf_counter() - began_s:.1f} s")
        page = folder / "report.html"
        duration_s = statistics.median(timed(file, page) for _ in range(ROUNDS))
        text = page.read_text()
    bare = len(DATA.sub("", text).encode())
    print(f"page made in {duration_s:.2f} s (at most {MAX_S:g})")
    print(f"page {len(text.encode()) / 1e6:.2f} MB, {bare / 1e3:.0f} kB of it", end="")
    print(f" without its charts' data (at most {MAX_BYTES / 1e3:g})")
    return 0 if duration_s <= MAX_S and bare <= MAX_BYTES else 1


def timed(file: Path, page: Path) -> float:
    """Return the duration of the command in seconds."""
    command = Path(sys.executable).with_name("straingauge")
    began_s = time.perf_counter()
    arguments = [str(part) for part in (command, "report", file, "-o", page)]
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began_s


def result(duration_s: int = DURATION_S, each_hour: Callable[[], None] = lambda: None) -> Result:
    """Return the result of an hour or more with its verdict and diagnosis.

    Args:
        duration_s: The simulated time.
        each_hour: Called after each hour of it.
    """
    record = recorded(random.Random(1), duration_s, each_hour)
    metadata = RunMetadata(
        name="an_hour",
        started_at=datetime(2026, 1, 1, 12, tzinfo=UTC).isoformat(),
        configuration={"target": "http://localhost:8000", "users": 100},
        environment={},
    )
    watched = Observations(samples=[*samples(random.Random(2), duration_s)])
    report = Report(
        "main", time.monotonic_ns(), RATE_RPS * duration_s, record, observations=watched
    )
    thresholds = Thresholds.parse({"all": THRESHOLDS}, source="benchmark")
    return conclude(compose(MergedReports((report,), metadata=metadata)), thresholds)[0]


def recorded(chance: random.Random, duration_s: int, each_hour: Callable[[], None]) -> bytes:
    """Return the record of the load."""
    recorder = Recorder()
    sinks = [recorder.endpoint_sink("main", f"GET /api/resource/{n}", 0) for n in range(ENDPOINTS)]
    timeout = RequestFailed(ErrorKind.TIMEOUT, "no answer in 30 s")
    for n in range(RATE_RPS * duration_s):
        if n and n % (RATE_RPS * DURATION_S) == 0:
            each_hour()
        at_ns = n * 1_000_000_000 // RATE_RPS
        slow = slowness(at_ns / 1e9)
        pool_ms, app_ms = 0.1 * slow * chance.random(), chance.uniform(1, 2)
        db_ms = slow * chance.lognormvariate(1.0, 0.6)
        took_ns = int((pool_ms + app_ms + db_ms + chance.expovariate(1)) * 1e6)
        stamps = (at_ns, at_ns + 50_000, at_ns + took_ns - 1, at_ns + took_ns)
        sink = sinks[n % ENDPOINTS]
        if slow > 20 and chance.random() < 0.05:
            sink.add_failure(*stamps, timeout)
            continue
        timing = f"pool;dur={pool_ms:.2f}, db;dur={db_ms:.2f}, app;dur={app_ms:.2f}"
        sink.add(*stamps, 200, encode_headers([(b"Server-Timing", timing.encode())]))
    each_hour()
    return recorder.snapshot().to_bytes()


def samples(chance: random.Random, duration_s: int) -> Iterator[dict[str, float]]:
    """Yield as many samples of a service as an observer keeps."""
    cpu_s = 0.0
    for n in range(MAX_SAMPLES):
        t_s = n * duration_s / MAX_SAMPLES
        slow = slowness(t_s)
        cpu_s += duration_s / MAX_SAMPLES * chance.uniform(0.25, 0.35)
        yield {
            "t_ns": t_s * 1e9,
            "rss_bytes": 1e8 + 2e4 * n * chance.uniform(0.9, 1.1),
            "cpu_s": cpu_s,
            "threads": 20,
            "open_files": 60 + chance.randrange(10),
            "pool_in_use": min(10, round(slow / 3)),
            "pool_waiters": max(0, round(slow - 12)),
            "db_active": min(10, round(slow / 4)),
            "db_waiting_for_locks": max(0, round(slow / 8) - 1),
            "db_blocked": max(0, round(slow / 8) - 1),
            "loop_blocked_s": 0.001 * n,
        }


def slowness(t_s: float) -> float:
    """Return the factor by which the database is slower than usual."""
    began_s, ended_s = SLOW_S
    if not began_s <= t_s < ended_s:
        return 1.0
    return 1 + 30 * math.sin(math.pi * (t_s - began_s) / (ended_s - began_s)) ** 2


if __name__ == "__main__":
    sys.exit(main())
