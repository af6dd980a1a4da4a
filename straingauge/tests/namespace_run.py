"""A load from four machines, one of which dies: sent, recorded, lost.

    sudo .venv/bin/python straingauge/tests/namespace_run.py [--seconds 12]

A Locust master and three workers run in network namespaces with separate addresses, and the service
in a fifth. Each worker also has its own monotonic clock, far from the others. During the run one
worker is killed by SIGKILL. The requests that the service counted, by address, are compared with
those in the master's result file. Exit code 1: requests are missing that the result does not
report as lost. Needs root, `ip` and `unshare` (Debian: iproute2, util-linux).
"""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

NET = "10.77.0."
SERVICE, MASTER, WORKERS = f"{NET}1", f"{NET}10", (f"{NET}11", f"{NET}12", f"{NET}13")
CLOCK_OFFSETS_S = (0, 1000, 77)  # of the workers
PORT = 8000
LOCUSTFILE = """
from locust import constant, task
from straingauge.locust import JourneyUser

def hello(user):
    yield user.get("/hello")

class Reader(JourneyUser):
    wait_time = constant(0.03)

    @task
    def hello(self):
        self.run_journey(hello)
"""

THRESHOLDS = "[all]\nerror_rate_percent = { target = 1, warning = 5, critical = 10 }\n"


@dataclass(frozen=True)
class Row:
    """One worker after the run.

    Attributes:
        worker: Its name in the result.
        sent: Requests that the service received from its address.
        recorded: Its requests in the result.
        max_lost: Largest number of lost samples by the result; None if it reports none.
        offset_s: Offset of its clock from the master's, by the result.
        error_ms: Maximum error of that offset.
        true_offset_s: Actual offset.
    """

    worker: str
    sent: int
    recorded: int
    max_lost: int | None
    offset_s: float
    error_ms: float
    true_offset_s: int

    @property
    def is_accounted_for(self) -> bool:
        """The result accounts for all requests sent, and for the clock."""
        is_clock_right = abs(self.offset_s - self.true_offset_s) * 1000 <= self.error_ms + 0.001
        return 0 <= self.sent - self.recorded <= (self.max_lost or 0) and is_clock_right


def missing() -> str | None:
    """Return what this machine lacks for the run; None if nothing."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "namespaces need root on Linux"
    for tool, package in (("ip", "iproute2"), ("unshare", "util-linux")):
        if shutil.which(tool) is None:
            return f"there is no {tool}: apt install {package}"
    add = ["ip", "netns", "add", "sg-probe"]
    probe = subprocess.run(add, capture_output=True, text=True, check=False)
    if probe.returncode:
        return f"no network namespace can be made here: {probe.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", "sg-probe"], check=True)
    clocks = ["unshare", "--time", "--monotonic", "1", "--fork", "true"]
    if subprocess.run(clocks, capture_output=True, check=False).returncode:
        return "no time namespace can be made here"
    return None


def run(folder: Path, seconds: int) -> tuple[list[Row], dict[str, Any]]:
    """Run the load; returns a row for each worker, and the result."""
    (folder / "locustfile.py").write_text(LOCUSTFILE)
    (folder / "thresholds.toml").write_text(THRESHOLDS)
    with ExitStack() as stack:
        inside = stack.enter_context(_namespaces())
        counts = stack.enter_context(_service(inside[SERVICE], folder))
        locust = [sys.executable, "-m", "locust", "-f", "locustfile.py"]
        load = ["--users", "12", "--spawn-rate", "12", "--run-time", f"{seconds}s"]
        where = ["--host", f"http://{SERVICE}:{PORT}", "--allow-host", SERVICE]
        headless = ["--headless", "--expect-workers", str(len(WORKERS)), "--stop-timeout", "10"]
        start = _starter(stack, folder)
        master = start([*inside[MASTER], *locust, "--master", *headless, *load, *where])
        workers = [
            start(
                [
                    *inside[address],
                    *("unshare", "--time", "--monotonic", str(true_offset_s), "--fork"),
                    *(*locust, "--worker", "--master-host", MASTER),
                ]
            )
            for address, true_offset_s in zip(WORKERS, CLOCK_OFFSETS_S, strict=True)
        ]
        _wait(lambda: len(counts()) == len(WORKERS), master)
        time.sleep(0.6 * seconds)  # after the first report, which is sent after 3 s
        pids = [psutil.Process(each.pid).children(recursive=True)[-1].pid for each in workers]
        os.kill(pids[1], signal.SIGKILL)
        master.communicate(timeout=seconds + 60)
        (file,) = (folder / "results").glob("metrics_*.json")
        result = json.loads(file.read_text())
        sent = counts()
    return [
        _row(*each, sent, result) for each in zip(WORKERS, pids, CLOCK_OFFSETS_S, strict=True)
    ], result


def _row(
    address: str, pid: int, true_offset_s: int, sent: Counter[str], result: dict[str, Any]
) -> Row:
    generator = result["resources"]["generator"]
    (name,) = (name for name in generator["workers"] if name.endswith(f"pid {pid})"))
    reasons = " / ".join(reason["message"] for reason in result["validity"]["reasons"])
    lost = re.search(re.escape(name) + r" was lost [^/]* an estimated ([\d,]+) samples?", reasons)
    clock = generator["workers"][name]["clock"]
    return Row(
        worker=name,
        sent=sent[address],
        recorded=generator["processes"][name]["sent"],
        max_lost=int(lost[1].replace(",", "")) if lost else None,
        # The result has the offset of the master's clock from the worker's.
        offset_s=-clock["offset_ms"] / 1000,
        error_ms=clock["error_ms"],
        true_offset_s=true_offset_s,
    )


@contextmanager
def _namespaces() -> Iterator[dict[str, list[str]]]:
    """Create namespaces on one bridge; yields the command prefix for each address."""
    names = {
        address: f"sg{os.getpid()}-{address.rpartition('.')[2]}"
        for address in (SERVICE, MASTER, *WORKERS)
    }
    hub = names[SERVICE]
    try:
        for name in names.values():
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", hub, "link", "add", "br0", "type", "bridge")
        _ip("-n", hub, "addr", "add", f"{SERVICE}/24", "dev", "br0")
        _ip("-n", hub, "link", "set", "br0", "up")
        for number, (address, name) in enumerate(names.items()):
            if name != hub:
                port = f"port{number}"
                _ip("-n", hub, "link", "add", port, "type", "veth", "peer", "eth0", "netns", name)
                _ip("-n", hub, "link", "set", port, "master", "br0", "up")
                _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
                _ip("-n", name, "link", "set", "eth0", "up")
        yield {address: ["ip", "netns", "exec", name] for address, name in names.items()}
    finally:
        for name in names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _starter(stack: ExitStack, folder: Path) -> Callable[[list[str]], "subprocess.Popen[str]"]:
    """Return a function that starts a command in the folder and kills it at the end."""

    def start(command: list[str]) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        stack.callback(_end, process)
        return process

    return start


def _end(process: "subprocess.Popen[str]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@contextmanager
def _service(inside: list[str], folder: Path) -> Iterator[Callable[[], Counter[str]]]:
    """Run the service; yields a function that returns its counts by client address."""
    path = str(folder / "counts.socket")
    command = [*inside, sys.executable, str(Path(__file__).resolve()), "--serve", path]

    def counts() -> Counter[str]:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)  # files are the same in all namespaces
            return Counter(json.loads(client.makefile().read()))

    with subprocess.Popen(command) as process:
        try:
            while not Path(path).exists():
                assert process.poll() is None
                time.sleep(0.02)
            yield counts
        finally:
            process.kill()


async def _serve(path: str) -> None:
    counted: Counter[str] = Counter()
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("peername")[0]
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                counted[address] += head.startswith(b"GET /hello ")
                writer.write(response)
                await writer.drain()
        writer.close()

    async def send_counts(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        workers = {address: number for address, number in counted.items() if number}
        writer.write(json.dumps(workers).encode())
        writer.close()

    await asyncio.start_server(respond, SERVICE, PORT)
    await (await asyncio.start_unix_server(send_counts, path)).serve_forever()


def _wait(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline_s, "the workers did not start"
        time.sleep(0.05)


def table(rows: list[Row]) -> str:
    """Format the rows as a table."""
    lines = [
        f"{'worker':32} {'sent':>7} {'recorded':>9} {'lost':>5} {'max lost':>14}"
        f" {'clock offset':>12} {'measured':>18}"
    ]
    lines += [
        f"{row.worker:32} {row.sent:7} {row.recorded:9} {row.sent - row.recorded:5}"
        f" {'-' if row.max_lost is None else row.max_lost:>14} {row.true_offset_s:10} s"
        f" {row.offset_s:11.4f} s ± {row.error_ms:.1f} ms"
        + ("" if row.is_accounted_for else "   NOT ACCOUNTED FOR")
        for row in rows
    ]
    return "\n".join(lines)


def main() -> int:
    """Run the load and print the table."""
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(_serve(sys.argv[2]))
    if why := missing():
        sys.exit(why)
    seconds = int(sys.argv[sys.argv.index("--seconds") + 1]) if "--seconds" in sys.argv else 12
    with tempfile.TemporaryDirectory() as folder:
        rows, result = run(Path(folder), seconds)
    print(table(rows))
    total = result["metrics"]["total_requests"]
    print(f"in the result: {total} requests; all workers: {sum(row.recorded for row in rows)}")
    for reason in result["validity"]["reasons"]:
        print(f"{reason['severity']}: {reason['message']}")
    return 0 if all(row.is_accounted_for for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
