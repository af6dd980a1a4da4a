"""The cost of a result with many endpoints: `result.py ENDPOINTS`.

Prints as JSON the CPU time in ms to compose the result, to write it, and to make its page in a
second process; the peak memory of that process; and the size of the file in MB.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from straingauge.recording import Recorder
from straingauge.result.assembly import compose, conclude
from straingauge.result.format import write
from straingauge.verdict import Thresholds
from straingauge.workers import MergedReports, Report, RunMetadata

REQUESTS_EACH, DURATION_S = 20, 600
THRESHOLDS = {"p95_ms": {"target": 10, "warning": 50, "critical": 250}}


def recorded(endpoints: int) -> bytes:
    """Return the record of a load, with the same number of requests for each endpoint."""
    chance = random.Random(1)
    recorder = Recorder()
    count = endpoints * REQUESTS_EACH
    sinks = [recorder.endpoint_sink("main", f"GET /resource/{n}", 0) for n in range(endpoints)]
    for n in range(count):
        at_ns = n * DURATION_S * 1_000_000_000 // count
        took_ns = int(chance.lognormvariate(1.0, 0.6) * 1e6)
        sinks[n % endpoints].add(at_ns, at_ns, at_ns + took_ns - 1, at_ns + took_ns, 200, None)
    return recorder.snapshot().to_bytes()


def main() -> None:
    """Compose, write and show a result, and print the cost."""
    endpoints = int(sys.argv[1])
    record = recorded(endpoints)
    metadata = RunMetadata(
        name="curve",
        started_at=datetime(2026, 1, 1, 12, tzinfo=UTC).isoformat(),
        configuration={"target": "http://localhost:8000", "users": 100},
        environment={},
    )
    began_s = time.process_time()
    report = Report("main", time.monotonic_ns(), endpoints * REQUESTS_EACH, record)
    thresholds = Thresholds.parse({"all": THRESHOLDS}, source="benchmark")
    result = conclude(compose(MergedReports((report,), metadata=metadata)), thresholds)[0]
    with tempfile.TemporaryDirectory() as folder:
        file = write(result, Path(folder))
        composed_s = time.process_time() - began_s
        page = Path(folder) / "report.html"
        command = [Path(sys.executable).with_name("straingauge"), "report", file, "-o", page]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        metrics = {
            "cpu": 1e3 * (composed_s + used.ru_utime + used.ru_stime),
            "composed_ms": 1e3 * composed_s,
            "memory_mb": used.ru_maxrss / 1e3,
            "file_mb": file.stat().st_size / 1e6,
        }
    print(json.dumps(metrics))


if __name__ == "__main__":
    main()
