"""Speed of streams and WebSockets: `python benchmarks/streams.py [--only sse] [--seconds 20]`.

The target is pinned to one core and each generator to another. k6 has WebSockets, and no
server-sent events without an extension. Prints one line for each generator; CPU times are those of
the whole process, with its start.
"""

import argparse
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

HERE = Path(__file__).resolve().parent
CASES = {
    "sse": "1,000 streams of server-sent events, 20 events/s each",
    "websocket": "5,000 WebSockets that echo, without pauses",
}
K6_VUS = 5_000


@contextmanager
def serving(core: int) -> Iterator[int]:
    """Run the target on a core; yield its port."""
    command = ["taskset", "-c", str(core), sys.executable, str(HERE / "stream_target.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def straingauge(case: str, port: int, seconds: int, core: int) -> str:
    """Measure straingauge; return its line."""
    script = str(HERE / "loads" / "straingauge_streams.py")
    url = f"http://127.0.0.1:{port}"
    command = ["taskset", "-c", str(core), sys.executable, script, case, url, str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    return (
        f"{found['rate_per_s']:,.0f}/s, p50 {found['p50_ms']:.1f} ms, "
        f"p99 {found['p99_ms']:.1f} ms, "
        f"{found['cpu_us']:.1f} us CPU each, {found['peak_mb']:.0f} MB, errors {found['errors']}"
    )


def k6(port: int, seconds: int, core: int) -> str:
    """Measure k6; return its line."""
    with tempfile.TemporaryDirectory() as folder:
        summary = Path(folder) / "k6.json"
        command = [
            *("taskset", "-c", str(core), peers.program("k6"), "run", "--quiet", "--no-color"),
            *("--no-usage-report", "--address", "localhost:0", "--summary-export", str(summary)),
            str(HERE / "loads" / "echo.js"),
        ]
        variables = {"URL": f"ws://127.0.0.1:{port}/echo", "VUS": K6_VUS, "SECONDS": seconds}
        texts = {name: str(value) for name, value in variables.items()}
        began_s = time.monotonic()
        process = psutil.Popen(
            command,
            env=os.environ | texts | {"GOMAXPROCS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        cpu_s, peak_bytes = 0.0, 0
        while process.poll() is None:
            try:
                cpu_s = sum(process.cpu_times()[:2])
                peak_bytes = max(peak_bytes, process.memory_info().rss)
            except psutil.NoSuchProcess:
                break
            if time.monotonic() > began_s + seconds + 60:
                process.kill()
            time.sleep(0.1)
        process.wait()
        found = json.loads(summary.read_text())["metrics"]
    count, trip = found["echoed"]["count"], found["round_trip"]
    return (
        f"{count / seconds:,.0f}/s, p50 {trip['med']:.1f} ms, p95 {trip['p(95)']:.1f} ms, "
        f"{1e6 * cpu_s / count:.1f} us CPU each, {peak_bytes / 1e6:.0f} MB"
    )


def main() -> None:
    """Measure all cases, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--seconds", type=int, default=20, help="length of each run (default: 20)")
    arguments = parser.parse_args()
    target_core, core = sorted(os.sched_getaffinity(0))[:2]
    missing = peers.install(print)
    for case, title in CASES.items():
        if arguments.only in (None, case):
            print(title)
            with serving(target_core) as port:
                print(f"  straingauge: {straingauge(case, port, arguments.seconds, core)}")
            if case == "websocket" and "k6" in missing:
                print(f"  k6: {missing['k6']}")
            elif case == "websocket":
                with serving(target_core) as port:
                    print(f"  k6: {k6(port, arguments.seconds, core)}")


if __name__ == "__main__":
    main()
