"""A load from four machines, one of which dies: sent, recorded, lost.

    sudo .venv/bin/python straingauge/tests/namespace_run.py [--seconds 12]

A Locust master and three workers in network namespaces with addresses of their own, and the
service in a fifth; each worker has a monotonic clock of its own as well, far from the others'. In
the middle one worker is killed by SIGKILL. What was sent is what the service counted, by the
address it came from; what was recorded stands in the master's result file. Exit code 1: something
is missing that was not said to be. It needs root, and `ip` and `unshare` (Debian: iproute2,
util-linux).
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
AHEAD_S = (0, 1000, 77)  # of each worker's clock
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
    """One worker, at the end.

    Attributes:
        worker: As the result names it.
        sent: Requests that the service had from its address.
        recorded: Of these, in the result.
        at_most: How many samples the result says may be missing; None where it says nothing.
        offset_s: How far the result says its clock is ahead of the master's.
        error_ms: Give or take so much.
        ahead_s: How far it was.
    """

    worker: str
    sent: int
    recorded: int
    at_most: int | None
    offset_s: float
    error_ms: float
    ahead_s: int

    @property
    def told(self) -> bool:
        """Whether the result accounts for all that was sent, and for its clock."""
        right_clock = abs(self.offset_s - self.ahead_s) * 1000 <= self.error_ms + 0.001
        return 0 <= self.sent - self.recorded <= (self.at_most or 0) and right_clock


def missing() -> str | None:
    """What this machine lacks for such a run."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "namespaces need root on Linux"
    for tool, package in (("ip", "iproute2"), ("unshare", "util-linux")):
        if shutil.which(tool) is None:
            return f"there is no {tool}: apt install {package}"
    add = ["ip", "netns", "add", "sg-tried"]
    tried = subprocess.run(add, capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no network namespace can be made here: {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", "sg-tried"], check=True)
    clocks = ["unshare", "--time", "--monotonic", "1", "--fork", "true"]
    if subprocess.run(clocks, capture_output=True, check=False).returncode:
        return "no time namespace can be made here"
    return None


def play(folder: Path, seconds: int) -> tuple[list[Row], dict[str, Any]]:
    """Do all of it; gives a row for each worker, and the result."""
    (folder / "locustfile.py").write_text(LOCUSTFILE)
    (folder / "thresholds.toml").write_text(THRESHOLDS)
    with ExitStack() as stack:
        inside = stack.enter_context(_namespaces())
        counts = stack.enter_context(_service(inside[SERVICE], folder))
        locust = [sys.executable, "-m", "locust", "-f", "locustfile.py"]
        load = ["--users", "12", "--spawn-rate", "12", "--run-time", f"{seconds}s"]
        where = ["--host", f"http://{SERVICE}:{PORT}", "--allow-host", SERVICE]
        headless = ["--headless", "--expect-workers", str(len(WORKERS)), "--stop-timeout", "10"]
        begin = _beginning(stack, folder)
        master = begin([*inside[MASTER], *locust, "--master", *headless, *load, *where])
        workers = [
            begin(
                [
                    *inside[address],
                    *("unshare", "--time", "--monotonic", str(ahead_s), "--fork"),
                    *(*locust, "--worker", "--master-host", MASTER),
                ]
            )
            for address, ahead_s in zip(WORKERS, AHEAD_S, strict=True)
        ]
        _wait(lambda: len(counts()) == len(WORKERS), master)
        time.sleep(0.6 * seconds)  # in the middle, past the first report, which comes after 3 s
        pids = [psutil.Process(each.pid).children(recursive=True)[-1].pid for each in workers]
        os.kill(pids[1], signal.SIGKILL)
        master.communicate(timeout=seconds + 60)
        (file,) = (folder / "results").glob("metrics_*.json")
        result = json.loads(file.read_text())
        sent = counts()
    return [_row(*each, sent, result) for each in zip(WORKERS, pids, AHEAD_S, strict=True)], result


def _row(address: str, pid: int, ahead_s: int, sent: Counter[str], result: dict[str, Any]) -> Row:
    generator = result["resources"]["generator"]
    (name,) = (name for name in generator["workers"] if name.endswith(f"pid {pid})"))
    reasons = " / ".join(reason["message"] for reason in result["validity"]["reasons"])
    said = re.search(re.escape(name) + r" was lost [^/]* at most (\d+) samples", reasons)
    clock = generator["workers"][name]["clock"]
    return Row(
        worker=name,
        sent=sent[address],
        recorded=generator["processes"][name]["sent"],
        at_most=int(said[1]) if said else None,
        # The master's clock is ahead of the worker's by the offset.
        offset_s=-clock["offset_ms"] / 1000,
        error_ms=clock["error_ms"],
        ahead_s=ahead_s,
    )


@contextmanager
def _namespaces() -> Iterator[dict[str, list[str]]]:
    """Namespaces on one bridge; gives what to put before a command to run it at an address."""
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


def _beginning(stack: ExitStack, folder: Path) -> Callable[[list[str]], "subprocess.Popen[str]"]:
    """What starts a command in the folder, to be ended with its children if it has not ended."""

    def begin(command: list[str]) -> "subprocess.Popen[str]":
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

    return begin


def _end(process: "subprocess.Popen[str]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@contextmanager
def _service(inside: list[str], folder: Path) -> Iterator[Callable[[], Counter[str]]]:
    """The service; gives what asks for its counts, by the address they came from."""
    path = str(folder / "counts.socket")
    command = [*inside, sys.executable, str(Path(__file__).resolve()), "--serve", path]

    def counts() -> Counter[str]:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.connect(path)  # files are the same in all namespaces
            return Counter(json.loads(asked.makefile().read()))

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
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("peername")[0]
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                counted[address] += head.startswith(b"GET /hello ")
                writer.write(answer)
                await writer.drain()
        writer.close()

    async def asked(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        workers = {address: number for address, number in counted.items() if number}
        writer.write(json.dumps(workers).encode())
        writer.close()

    await asyncio.start_server(connected, SERVICE, PORT)
    await (await asyncio.start_unix_server(asked, path)).serve_forever()


def _wait(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < give_up, "the workers did not begin"
        time.sleep(0.05)


def table(rows: list[Row]) -> str:
    """For people."""
    lines = [
        f"{'worker':32} {'sent':>7} {'recorded':>9} {'lost':>5} {'said: at most':>14}"
        f" {'clock ahead':>12} {'measured':>18}"
    ]
    lines += [
        f"{row.worker:32} {row.sent:7} {row.recorded:9} {row.sent - row.recorded:5}"
        f" {'-' if row.at_most is None else row.at_most:>14} {row.ahead_s:10} s"
        f" {row.offset_s:11.4f} s ± {row.error_ms:.1f} ms" + ("" if row.told else "   NOT AS TOLD")
        for row in rows
    ]
    return "\n".join(lines)


def main() -> int:
    """Play it, and show it."""
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(_serve(sys.argv[2]))
    if why := missing():
        sys.exit(why)
    seconds = int(sys.argv[sys.argv.index("--seconds") + 1]) if "--seconds" in sys.argv else 12
    with tempfile.TemporaryDirectory() as folder:
        rows, result = play(Path(folder), seconds)
    print(table(rows))
    total = result["metrics"]["total_requests"]
    print(f"in the result: {total} requests; all workers: {sum(row.recorded for row in rows)}")
    for reason in result["validity"]["reasons"]:
        print(f"{reason['severity']}: {reason['message']}")
    return 0 if all(row.told for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
