"""Measurements of streams and WebSockets: both sides count their own events and messages.

CPU times are those of the whole process, with its start and the opening of all connections.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import peers
import psutil
from case import Bench
from measurement import MeasurementError, Metrics, run_script

HERE = Path(__file__).resolve().parent
STREAM_S = 8
END_S = 60  # time limit for a generator to end
K6_VUS = 5_000


def measure_streams(case: str, bench: Bench) -> Metrics:
    """Measure straingauge with the case sse or websocket.

    Raises:
        MeasurementError: There were errors, or it did not end.
    """
    script = str(HERE / "loads" / "straingauge_streams.py")
    with _serving(bench.target_core) as port:
        arguments = (case, f"http://127.0.0.1:{port}", str(STREAM_S))
        report = run_script(script, bench.core, *arguments, timeout_s=STREAM_S + END_S)
    if report["errors"]:
        raise MeasurementError(f"errors: {report['errors']}")
    return {
        "rate_rps": report["rate_per_s"],
        **{name: report[name] for name in ("cpu_us", "p50_ms", "p99_ms", "peak_mb")},
    }


def measure_k6_websockets(bench: Bench) -> Metrics:
    """Measure k6 with WebSockets.

    Raises:
        MeasurementError: It wrote no report, or did not end.
    """
    with _serving(bench.target_core) as port, tempfile.TemporaryDirectory() as folder:
        summary = Path(folder) / "k6.json"
        command = [
            *("taskset", "-c", str(bench.core), peers.program("k6"), "run", "--quiet"),
            *("--no-color", "--no-usage-report", "--address", "localhost:0"),
            *("--summary-export", str(summary), str(HERE / "loads" / "echo.js")),
        ]
        variables = {"URL": f"ws://127.0.0.1:{port}/echo", "VUS": K6_VUS, "SECONDS": STREAM_S}
        texts = {name: str(value) for name, value in variables.items()} | {"GOMAXPROCS": "1"}
        process = psutil.Popen(
            command, env=os.environ | texts, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        cpu_s, peak_bytes = _used_until_end(process, time.monotonic() + STREAM_S + END_S)
        try:
            report = json.loads(summary.read_text())["metrics"]
        except (OSError, ValueError) as error:
            raise MeasurementError("it wrote no report") from error
    count, trip = report["echoed"]["count"], report["round_trip"]
    return {
        "rate_rps": count / STREAM_S,
        "cpu_us": 1e6 * cpu_s / count,
        "p50_ms": trip["med"],
        "p95_ms": trip["p(95)"],
        "peak_mb": peak_bytes / 1e6,
    }


def _used_until_end(process: psutil.Popen, deadline_s: float) -> tuple[float, int]:
    """Return the CPU time in seconds and the peak memory of a process; end it at the deadline."""
    cpu_s, peak_bytes = 0.0, 0
    while process.poll() is None:
        try:
            cpu_s = sum(process.cpu_times()[:2])
            peak_bytes = max(peak_bytes, process.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        if time.monotonic() > deadline_s:
            process.kill()
        time.sleep(0.1)
    process.wait()
    return cpu_s, peak_bytes


@contextmanager
def _serving(core: int) -> Iterator[int]:
    """Run the target on a core; yield its port."""
    command = ["taskset", "-c", str(core), sys.executable, str(HERE / "stream_target.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()
