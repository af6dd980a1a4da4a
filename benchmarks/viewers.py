"""What looking on costs: `python benchmarks/viewers.py [--users 1000 --viewers 20 --seconds 20]`.

One Locust with users at one request a second each, at nginx; first nobody looks at its page, then
viewers do, each asking for straingauge's figures every 2 s as a browser does. Says how long an
answer takes, and what the users notice. The machine should be idle.
"""

import argparse
import contextlib
import http.client
import json
import socket
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
class Seen:
    """A time of the run.

    Attributes:
        cpu_percent: Of one core, used by Locust.
        per_s: Requests a second, over the run till then.
        p95_ms: Response time of the users' requests in each second.
        took_ms: How long each answer to a viewer took.
        bytes: Sent for an answer, the largest.
    """

    cpu_percent: float
    per_s: float
    p95_ms: list[float]
    took_ms: list[float]
    bytes: int


class Page:
    """Locust's page, from this side."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, path: str, form: str | None = None, tag: str = "") -> tuple[bytes, str]:
        """The body, and its ETag."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        kind = {"Content-Type": "application/x-www-form-urlencoded", "If-None-Match": tag}
        with contextlib.closing(connection):
            connection.request("POST" if form else "GET", path, form, kind)
            answer = connection.getresponse()
            return answer.read(), answer.headers["ETag"] or ""


def look_on(page: Page, until_s: float, took_ms: list[float], sizes: list[int]) -> None:
    """One viewer."""
    tag = ""
    while (began_s := time.monotonic()) < until_s:
        body, tag = page.ask("/straingauge/live.json", tag=tag)
        took_ms.append(1000 * (time.monotonic() - began_s))
        sizes.append(len(body))
        time.sleep(EVERY_S)


def watch(page: Page, process: psutil.Process, viewers: int, seconds: float) -> Seen:
    """The run for some time, with so many looking on."""
    took_ms: list[float] = []
    sizes: list[int] = [0]
    until_s, before = time.monotonic() + seconds, process.cpu_times()
    given = (page, until_s, took_ms, sizes)
    threads = [threading.Thread(target=look_on, args=given) for _ in range(viewers)]
    for each in threads:
        each.start()
        time.sleep(EVERY_S / max(1, viewers))
    time.sleep(max(0.0, until_s - time.monotonic()))
    used_s = sum(process.cpu_times()[:2]) - sum(before[:2])
    for each in threads:
        each.join()
    seen = json.loads(page.ask("/straingauge/live.json")[0])["seen"]
    times = next(each for each in seen["charts"] if each["title"] == "Response time")
    points = next(line["points"] for line in times["lines"] if line["name"] == "p95")
    p95_ms = [value for _, value in points[-round(seconds) :]]
    return Seen(100 * used_s / seconds, seen["total"]["per_s"], p95_ms, took_ms, max(sizes))


def main() -> None:
    """Measure and say."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        target = stack.enter_context(nginx.serving(folder, core=0))
        tasks = "".join(TASK.format(n=n, path=nginx.pages.GET_PATH) for n in range(ENDPOINTS))
        (folder / "locustfile.py").write_text(LOCUSTFILE + tasks)
        (folder / "thresholds.toml").write_text("")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = ["taskset", "-c", "1", sys.executable, "-m", "locust", "--host", target.url]
        command += ["--web-host", "127.0.0.1", "--web-port", str(port)]
        log = stack.enter_context((folder / "log").open("wb"))
        locust = psutil.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        stack.callback(locust.wait)
        stack.callback(locust.terminate)
        page = Page(port)
        while True:
            with contextlib.suppress(ConnectionError):
                page.ask("/straingauge/live.json")
                break
            time.sleep(0.1)
        page.ask("/swarm", f"user_count={asked.users}&spawn_rate={asked.users}")
        time.sleep(READY_S)
        for viewers in (0, asked.viewers):
            seen = watch(page, locust, viewers, asked.seconds)
            print(f"{asked.users} users, {viewers} viewers: CPU {seen.cpu_percent:.0f} % of a core")
            median_ms, worst_ms = statistics.median(seen.p95_ms), max(seen.p95_ms)
            print(f"  {seen.per_s:.0f} requests/s, p95 {median_ms:.2f} ms, at worst {worst_ms:.2f}")
        cuts = statistics.quantiles(seen.took_ms, n=100)
        print(f"  {len(seen.took_ms)} answers of at most {seen.bytes / 1000:.0f} kB")
        print(f"  p50 {cuts[49]:.1f}, p95 {cuts[94]:.1f}, longest {max(seen.took_ms):.1f} ms")


if __name__ == "__main__":
    main()
