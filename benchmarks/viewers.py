"""CPU cost of viewers of Locust's tab: `python benchmarks/viewers.py [--viewers 20 --seconds 20]`.

One Locust process sends one request per second and user to nginx, first without viewers, then with
viewers that load the tab's data every 2 s, as a browser does. Prints the duration of their
requests and the response times of the users. The machine should be idle.
"""

import argparse
import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import nginx
import psutil
from straingauge.target.ports import free_port

LOCUSTFILE = """
from locust import constant_throughput, tag, task
from straingauge.locust import JourneyUser

class Steady(JourneyUser):
    wait_time = constant_throughput(1)
"""
TASK = """
    @task
    def read_{n}(self):
        self.client.get("{path}", name="/page/{n}")
"""
ENDPOINTS, EVERY_S, READY_S = 15, 2.0, 5.0


@dataclass
class Period:
    """The measurements of one period of the run.

    Attributes:
        cpu_percent: CPU use of Locust, in percent of a core.
        rate_rps: Requests per second since the start of the run.
        p95_ms: p95 of the users' response times in each second.
        viewer_ms: Duration of each viewer's request.
        max_bytes: Largest response to a viewer.
    """

    cpu_percent: float
    rate_rps: float
    p95_ms: list[float]
    viewer_ms: list[float]
    max_bytes: int


class WebClient:
    """A client of Locust's web page."""

    def __init__(self, port: int) -> None:
        self._port = port

    def request(self, path: str, form: str | None = None, tag: str = "") -> tuple[bytes, str]:
        """Send a request; return the body and its ETag."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        kind = {"Content-Type": "application/x-www-form-urlencoded", "If-None-Match": tag}
        with contextlib.closing(connection):
            connection.request("POST" if form else "GET", path, form, kind)
            response = connection.getresponse()
            return response.read(), response.headers["ETag"] or ""


def run_viewer(client: WebClient, until_s: float, viewer_ms: list[float], sizes: list[int]) -> None:
    """Load the tab's data repeatedly, as one viewer."""
    tag = ""
    while (began_s := time.monotonic()) < until_s:
        body, tag = client.request("/straingauge/live.json", tag=tag)
        viewer_ms.append(1000 * (time.monotonic() - began_s))
        sizes.append(len(body))
        time.sleep(EVERY_S)


def measure(client: WebClient, process: psutil.Process, viewers: int, seconds: float) -> Period:
    """Measure a period of the run with a number of viewers."""
    viewer_ms: list[float] = []
    sizes: list[int] = [0]
    until_s, before = time.monotonic() + seconds, process.cpu_times()
    arguments = (client, until_s, viewer_ms, sizes)
    threads = [threading.Thread(target=run_viewer, args=arguments) for _ in range(viewers)]
    for each in threads:
        each.start()
        time.sleep(EVERY_S / max(1, viewers))
    time.sleep(max(0.0, until_s - time.monotonic()))
    used_s = sum(process.cpu_times()[:2]) - sum(before[:2])
    for each in threads:
        each.join()
    seen = json.loads(client.request("/straingauge/live.json")[0])["seen"]
    times = next(each for each in seen["charts"] if each["title"] == "Response time")
    points = next(line["points"] for line in times["lines"] if line["name"] == "p95")
    p95_ms = [value for _, value in points[-round(seconds) :]]
    return Period(100 * used_s / seconds, seen["total"]["per_s"], p95_ms, viewer_ms, max(sizes))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        target = stack.enter_context(nginx.serving(folder, core=0))
        tasks = "".join(TASK.format(n=n, path=nginx.payloads.GET_PATH) for n in range(ENDPOINTS))
        (folder / "locustfile.py").write_text(LOCUSTFILE + tasks)
        (folder / "thresholds.toml").write_text("")
        port = free_port()
        command = ["taskset", "-c", "1", sys.executable, "-m", "locust", "--host", target.url]
        command += ["--web-host", "127.0.0.1", "--web-port", str(port)]
        log = stack.enter_context((folder / "log").open("wb"))
        locust = psutil.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        stack.callback(locust.wait)
        stack.callback(locust.terminate)
        client = WebClient(port)
        while True:
            with contextlib.suppress(ConnectionError):
                client.request("/straingauge/live.json")
                break
            time.sleep(0.1)
        client.request("/swarm", f"user_count={options.users}&spawn_rate={options.users}")
        time.sleep(READY_S)
        for viewers in (0, options.viewers):
            period = measure(client, locust, viewers, options.seconds)
            print(f"{viewers} viewers: CPU {period.cpu_percent:.0f} % of a core")
            median_ms, worst_ms = statistics.median(period.p95_ms), max(period.p95_ms)
            print(f"  {period.rate_rps:.0f} requests/s, p95 {median_ms:.2f} ms, max {worst_ms:.2f}")
        cuts = statistics.quantiles(period.viewer_ms, n=100)
        print(f"  {len(period.viewer_ms)} responses of at most {period.max_bytes / 1000:.0f} kB")
        print(f"  p50 {cuts[49]:.1f}, p95 {cuts[94]:.1f}, longest {max(period.viewer_ms):.1f} ms")


if __name__ == "__main__":
    main()
