"""The parts of `make soak`: what runs, and what is known of it afterwards."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nginx
import payloads
from campaigns.record import ROOT
from campaigns.soak.process_tree import leaks_in, leaks_of, watch
from straingauge.observe import Sample

from straingauge import read_result

RATE_PER_S, USERS = 5_000, 500
LOCUST_USERS, LOCUST_WORKERS = 30, 3
SERVICE_USERS = 20
HOURS = 8
RESULT_BYTES, PAGE_S = 2_000_000, 2.0
GROWN_BYTES = 1_000_000  # of memory in the second half; histograms get new buckets now and then
# Until then a record gets a slot for each second, and grows (`recording.timeline.MAX_SLOTS`).
JUDGED_S = 3_600
BENCHMARKS = ROOT / "benchmarks"
BIN = Path(sys.executable).parent
LOCUSTFILE = """
from locust import constant, task
from straingauge.locust import JourneyUser


class Reader(JourneyUser):
    wait_time = constant(0.05)

    @task
    def read(self):
        self.client.get("{path}")
"""


@dataclass(frozen=True)
class Outcome:
    """One part after its end.

    Attributes:
        minutes: Its length; of simulated time in `recorder`.
        result: Its result file.
        samples: Of its process tree.
        leaks: The evidence of each leak, by resource.
        exit_code: Of the command.
    """

    minutes: float
    result: Path
    samples: Sequence[Sample]
    leaks: dict[str, list[str]]
    exit_code: int


def engine(folder: Path, duration_s: float) -> Outcome:
    """Send GET requests at a fixed rate by one process."""
    with nginx.serving(folder, core=0) as target:
        command = [BIN / "straingauge", "run", "--host", target.url, "--get", payloads.GET_PATH]
        command += ["--rate", RATE_PER_S, "--users", USERS, "--duration", f"{duration_s:.0f}s"]
        return _generator([*command, "--results", folder / "results"], folder, duration_s)


def aged(folder: Path, duration_s: float) -> Outcome:
    """Send the same load with a record that is full from the start, so that memory is judged."""
    script = BENCHMARKS / "campaigns" / "soak" / "generator.py"
    with nginx.serving(folder, core=0) as target:
        command = [sys.executable, script, target.url, payloads.GET_PATH, RATE_PER_S, USERS]
        command += [f"{duration_s:.0f}", folder / "results"]
        return _generator(command, folder, duration_s, is_full=True)


def locust(folder: Path, duration_s: float) -> Outcome:
    """Send GET requests by Locust with several workers."""
    (folder / "locustfile.py").write_text(LOCUSTFILE.format(path=payloads.GET_PATH))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with nginx.serving(folder, core=0) as target:
        command = [BIN / "locust", "--headless", "--host", target.url, "--stop-timeout", 10]
        command += ["--processes", LOCUST_WORKERS, "--users", LOCUST_USERS, "--spawn-rate", 10]
        command += ["--run-time", f"{duration_s:.0f}s", "--cooldown", 0]
        command += ["--master-bind-host", "127.0.0.1", "--master-bind-port", port]
        command += ["--master-host", "127.0.0.1", "--master-port", port]
        return _generator(command, folder, duration_s)


def therapybridge(folder: Path, duration_s: float) -> Outcome:
    """Put the mix of the load suite on TherapyBridge; its own result shows what it leaks."""
    suite = ROOT / "backend" / "tests" / "performance" / "load_test.py"
    load = [BIN / "locust", "-f", suite, "--host", "{url}", "--headless", "--stop-timeout", 10]
    load += ["--users", SERVICE_USERS, "--spawn-rate", 1, "--run-time", f"{duration_s:.0f}s"]
    load += ["--load-results", folder / "results"]
    stack = ROOT / "backend" / "straingauge.toml"
    code, _ = watch(
        _strings(BIN / "straingauge", "serve", "--config", stack, "--port", 0, "--", *load),
        folder,
        0,
    )
    file = _result(folder)
    result = read_result(file)
    return Outcome(duration_s / 60, file, _service_samples(result), leaks_in(result), code)


def recorder(folder: Path, duration_s: float) -> Outcome:
    """Simulate a working day in a recorder, faster than in real time."""
    del duration_s
    command = [sys.executable, BENCHMARKS / "campaigns" / "soak" / "day.py", HOURS, folder]
    done = subprocess.run(_strings(*command), check=True, capture_output=True, text=True)
    hourly_bytes = [int(line) for line in done.stdout.split()]
    samples = [
        {"t_ns": 3.6e12 * n, "rss_bytes": float(each)} for n, each in enumerate(hourly_bytes, 1)
    ]
    grown_bytes = hourly_bytes[-1] - hourly_bytes[HOURS // 2 - 1]
    evidence = {"memory": [f"{grown_bytes / 1e6:.2f} MB in the second half"]}
    leaks = evidence if grown_bytes > GROWN_BYTES else {}
    return Outcome(60 * HOURS, _result(folder), samples, leaks, 0)


PARTS = {
    "engine": (f"straingauge, {RATE_PER_S:,} requests/s", engine),
    "aged": (f"straingauge, {RATE_PER_S:,} requests/s, in its second hour", aged),
    "locust": (f"Locust, {LOCUST_WORKERS} workers, {LOCUST_USERS} users", locust),
    "service": (f"TherapyBridge, the mix of {SERVICE_USERS} users", therapybridge),
    "recorder": (f"{HOURS} hours of simulated time", recorder),
}


def page_s(file: Path, folder: Path) -> float:
    """Return the seconds of `straingauge report` for a result."""
    began_s = time.perf_counter()
    command = [BIN / "straingauge", "report", file, "-o", folder / "page.html"]
    subprocess.run(_strings(*command), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began_s


def _strings(*command: object) -> list[str]:
    return [str(part) for part in command]


def _generator(
    command: Sequence[object], folder: Path, duration_s: float, *, is_full: bool = False
) -> Outcome:
    code, samples = watch(_strings(*command), folder, duration_s)
    file = _result(folder)
    requests = read_result(file)["metrics"]["total_requests"]
    leaks = leaks_of(samples, requests)
    if duration_s < JUDGED_S and not is_full:
        leaks.pop("memory", None)
    return Outcome(duration_s / 60, file, samples, leaks, code)


def _service_samples(result: Mapping[str, Any]) -> list[Sample]:
    rows = result["resources"]["samples"]
    return [{"t_ns": 1e9 * row["t_s"], **row} for row in rows if "rss_bytes" in row]


def _result(folder: Path) -> Path:
    files = sorted(folder.glob("results/*.json"), key=os.path.getmtime)
    if not files:
        raise SystemExit(f"no result was written:\n{(folder / 'output.txt').read_text()[-2000:]}")
    return files[-1]
