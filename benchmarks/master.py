"""CPU cost of 20 reporting workers for a Locust master: `python benchmarks/master.py`.

The master is a real one in a separate process. The workers are 20 ZMQ connections of one other
process, which send mode workers send: heartbeats, pings, and reports with Locust's statistics and
ours, for ten endpoints and ten minutes (100 requests/s each, log-normal response times). Measured
twice: headless, and while a client reads the verdict every 2 s, as the web page does. The machine
should be idle. Exit code 1: more than 10 % of a core.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Importing Locust patches the standard library, so the code below runs in greenlets.
import gevent
import numpy as np
import psutil
from gevent import pool
from locust.rpc import Message, rpc
from locust.stats import RequestStats
from straingauge.locust.distributed.messages import (
    FINAL_REPORT,
    PING,
    REGISTER,
    REGISTERED,
    REPORT,
    RUN_STARTED,
    STOP_USERS,
)
from straingauge.locust.distributed.process_stats import ProcessStats, pack_record
from straingauge.recording import Recorder
from straingauge.target.ports import free_port
from straingauge.workers.fingerprint import fingerprint_file

WORKERS, ENDPOINTS, RATE_PER_S, PAST_S = 20, 10, 100, 600
REPORT_EVERY_S, SETTLE_S = 3.0, 8.0
LIMIT_PERCENT = 10.0
USER = "Reader"
LOCUSTFILE = """
import gevent
from locust import events, task
from straingauge.locust import JourneyUser
from straingauge.locust.events import get_session

class Reader(JourneyUser):
    @task
    def hello(self):
        self.client.get("/")

@events.test_start.add_listener
def read_verdicts(environment, **_):
    def read_every_2_s():
        while True:
            gevent.sleep(2)
            get_session(environment).live_result()
    if READ_VERDICTS:
        gevent.spawn(read_every_2_s)
"""


class Worker:
    """A connection that sends what a worker sends."""

    def __init__(self, port: int, number: int, locustfile: Path) -> None:
        self._modules = {"locustfile": fingerprint_file(locustfile)}
        self._id = f"simulated_{number}"
        self._number = number
        self._client = rpc.Client("127.0.0.1", port, self._id)
        self._random = np.random.default_rng(number)
        self._recorder = Recorder()
        self._stats = RequestStats()
        self._part: ProcessStats | None = None
        self._users = 0
        self.reported_bytes = 0
        self._greenlets = pool.Group()
        self._send("client_ready", "2.47.0")
        self._greenlets.spawn(self._listen)

    def close(self) -> None:
        """End, so that nothing of it is left in the next measurement."""
        self._greenlets.kill()
        self._client.close()

    def _send(self, kind: str, data: object = None) -> None:
        self._client.send(Message(kind, data, self._id))

    def _listen(self) -> None:
        while True:
            message = self._client.recv()
            match message.type:
                case "ack":
                    data = {"host": "simulated", "pid": self._number, "modules": self._modules}
                    self._send(REGISTER, data | {"sent_ns": time.monotonic_ns()})
                    self._greenlets.spawn(self._every, 1.0, self._beat)
                    self._greenlets.spawn(self._every, 5.0, self._ping)
                case "spawn":
                    counts = message.data["user_classes_count"]
                    self._users = sum(counts.values())
                    self._send("spawning")
                    done = {"user_classes_count": counts, "user_count": self._users}
                    self._send("spawning_complete", done)
                case kind if kind in (RUN_STARTED, REGISTERED) and message.data["run"] is not None:
                    self._part = ProcessStats(message.data["run"]["run_id"], time.monotonic_ns())
                    self._origin_ns = time.monotonic_ns() - PAST_S * 1_000_000_000
                    self._play(0, PAST_S)
                    # Workers that are started by hand do not report all at the same moment either.
                    gevent.sleep(REPORT_EVERY_S * self._number / WORKERS)
                    self._greenlets.spawn(self._every, REPORT_EVERY_S, self._report)
                case kind if kind == STOP_USERS and self._part is not None:
                    self._send(FINAL_REPORT, self._message())

    def _every(self, seconds: float, action: Callable[[], None]) -> None:
        while True:
            action()
            gevent.sleep(seconds)

    def _beat(self) -> None:
        state = "running" if self._users else "ready"
        self._send("heartbeat", {"state": state, "current_cpu_usage": 1.0})

    def _ping(self) -> None:
        self._send(PING, {"sent_ns": time.monotonic_ns()})

    def _play(self, since_s: float, until_s: float) -> None:
        """Record the requests of a period, spread evenly over the endpoints."""
        for endpoint in range(ENDPOINTS):
            number = max(1, round((until_s - since_s) * RATE_PER_S / ENDPOINTS))
            starts = np.sort(self._random.uniform(since_s, until_s, number)) * 1e9 + self._origin_ns
            took = self._random.lognormal(3.0, 0.6, number) * 1e6
            sink = self._recorder.endpoint_sink("main", f"GET /{endpoint}", self._origin_ns)
            for at, ns in zip(starts.astype(int).tolist(), took.astype(int).tolist(), strict=True):
                sink.add(at, at, at + ns // 2, at + ns, 200, None)
                if since_s:
                    self._stats.log_request("GET", f"/{endpoint}", ns / 1e6, 1000)

    def _message(self) -> dict:
        self._at_s = (time.monotonic_ns() - self._origin_ns) / 1e9
        self._play(max(self._at_s - REPORT_EVERY_S, 0), self._at_s)
        record = self._recorder.snapshot()
        requests = record.requests("main")
        return self._part.to_message() | {
            "records": list(pack_record(record)),
            "requests": requests,
        }

    def _report(self) -> None:
        message = self._message()
        self.reported_bytes = sum(map(len, message["records"]))
        data = {
            "stats": self._stats.serialize_stats(),
            "stats_total": self._stats.total.get_stripped_report(),
            "errors": {},
            "user_classes_count": {USER: self._users},
            "user_count": self._users,
            REPORT: message,
        }
        self._send("stats", data)


class NotFoundHandler(BaseHTTPRequestHandler):
    """The service under test; Locust needs one that responds."""

    def do_GET(self) -> None:
        """Respond with an empty page."""
        self.send_response(404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write no log."""


def measure(folder: Path, seconds: float, *, read_verdicts: bool) -> tuple[float, int]:
    """Return the master's CPU use in percent of a core, and the bytes of a worker's report."""
    (folder / "locustfile.py").write_text(LOCUSTFILE.replace("READ_VERDICTS", str(read_verdicts)))
    (folder / "thresholds.toml").write_text(
        "[all]\np95_ms = { target = 1, warning = 5, critical = 10 }\n"
    )
    port = free_port()
    service = ThreadingHTTPServer(("127.0.0.1", 0), NotFoundHandler)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    command = [sys.executable, "-m", "locust", "--master", "--headless", "--only-summary"]
    command += ["--master-bind-host", "127.0.0.1", "--master-bind-port", str(port)]
    command += ["--host", f"http://127.0.0.1:{service.server_port}"]
    command += ["--users", "200", "--spawn-rate", "200", "--expect-workers", str(WORKERS)]
    with (folder / "master.log").open("w") as log:
        master = psutil.Popen(command, cwd=folder, stdout=log, stderr=log, env=os.environ)
    workers: list[Worker] = []
    try:
        workers += (Worker(port, number, folder / "locustfile.py") for number in range(WORKERS))
        gevent.sleep(SETTLE_S)
        before_s, began_s = sum(master.cpu_times()[:2]), time.monotonic()
        gevent.sleep(seconds)
        cpu_s = sum(master.cpu_times()[:2]) - before_s
        if not all(worker.reported_bytes for worker in workers):
            raise SystemExit(f"not all workers reported: {(folder / 'master.log').read_text()}")
        return 100 * cpu_s / (time.monotonic() - began_s), workers[0].reported_bytes
    finally:
        for worker in workers:
            worker.close()
        master.kill()
        master.wait()
        service.shutdown()
        service.server_close()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each measurement")
    parser.add_argument("--read-verdicts", choices=["yes", "no", "both"], default="both")
    options = parser.parse_args()
    wanted = {"yes": [True], "no": [False], "both": [False, True]}[options.read_verdicts]
    worst = 0.0
    for read_verdicts in wanted:
        with tempfile.TemporaryDirectory(prefix="straingauge-bench-") as folder:
            cpu_percent, size = measure(Path(folder), options.seconds, read_verdicts=read_verdicts)
        mode = "verdict read every 2 s" if read_verdicts else "headless"
        print(
            f"master with {WORKERS} workers, {mode}: {cpu_percent:.1f} % of a core"
            f" (one report: {size / 1000:.0f} kB every {REPORT_EVERY_S:.0f} s)"
        )
        worst = max(worst, cpu_percent)
    return int(worst > LIMIT_PERCENT)


if __name__ == "__main__":
    sys.exit(main())
