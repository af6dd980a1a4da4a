"""Every generator: how it is started for a work, and how its own report is read.

A generator keeps 50 connections busy for the seconds it is given, on the one core it is pinned to,
and does no more for a request than the work asks: no checks beyond, no extra output.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pages
import peers

LEAN, LEAN_JOURNEYS = "straingauge's Locust user", "the same, by journeys"
LOADS = Path(__file__).resolve().parent / "loads"
USERS = 50
OPEN_RATE_PER_S, OPEN_USERS = 5_000, 500
STEADY_USERS, STEADY_RAMP_S = 5_000, 10
STRAINGAUGE, LOCUST, K6, K9, HEY, WRK, AB = (
    *("straingauge", "Locust FastHttpUser", "k6", "k9-load script"),
    *("hey", "wrk", "ab"),
)


@dataclass(frozen=True)
class Order:
    """What a generator is told.

    Attributes:
        url: The target's, without a path.
        seconds: How long to send.
        folder: Its own, for what it writes; there is `upload.bin`, too.
    """

    url: str
    seconds: int
    folder: Path

    @property
    def file(self) -> Path:
        """What to upload."""
        return self.folder / "upload.bin"


@dataclass(frozen=True)
class Reading:
    """What a generator says of itself: its requests, what went wrong, further figures."""

    requests: int
    error: str | None
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Generator:
    """A generator at one work.

    Attributes:
        name: As in the tables.
        command: Its command line.
        read: Reads its report from its standard output, or from the files in its folder.
        environment: Variables beside the usual ones.
    """

    name: str
    command: Callable[[Order], list[str]]
    read: Callable[[Order, str], Reading]
    environment: Callable[[Order], dict[str, str]] = lambda _: {}


def straingauge(work: str) -> Generator:
    """The engine of straingauge."""

    def command(order: Order) -> list[str]:
        script = str(LOADS / "straingauge_load.py")
        return [sys.executable, script, work, order.url, str(order.seconds), str(order.file)]

    def read(_: Order, output: str) -> Reading:
        said = json.loads(output)
        wrong = ", ".join(f"{count} x {kind}" for kind, count in said["errors"].items())
        figures = {"peak_mb": said["peak_mb"]}
        if said["planned"] is not None:
            figures |= {name: said[name] for name in ("late_p50_ms", "late_p99_ms", "late_max_ms")}
            figures["dropped"] = said["dropped"]
            figures["dropped_percent"] = 100 * said["dropped"] / said["planned"]
            figures["missing"] = said["planned"] - said["sent"]
        return Reading(said["requests"], wrong and f"{wrong}: {said['examples'][0]}", figures)

    return Generator(STRAINGAUGE, command, read)


def locust(user_class: str) -> Generator:
    """Locust with one of the users of locustfile.py."""

    def command(order: Order) -> list[str]:
        return [
            *(peers.program("locust"), "-f", str(LOADS / "locustfile.py"), "--headless", "--json"),
            *("-u", str(USERS), "-r", str(USERS), "-t", f"{order.seconds}s", "-H", order.url),
            *("--loglevel", "WARNING", user_class),
        ]

    def read(_: Order, output: str) -> Reading:
        entries = json.loads(output)
        failed = sum(entry["num_failures"] for entry in entries)
        requests = sum(entry["num_requests"] for entry in entries)
        return Reading(requests, _some(failed, "requests failed"))

    return Generator(LOCUST, command, read, lambda order: {"UPLOAD_FILE": str(order.file)})


def lean(user_class: str, *, users: int = USERS, file: str = "locustfile.py") -> Generator:
    """Our user in Locust, by one of the classes of a locustfile."""

    def command(order: Order) -> list[str]:
        spawn_rate = max(users // STEADY_RAMP_S, USERS)
        return [
            *(sys.executable, "-m", "locust", "-f", str(LOADS / file), "--headless"),
            *("-u", str(users), "-r", str(spawn_rate), "-t", f"{order.seconds}s", "-H", order.url),
            # Requests on their way when time is over are counted by both sides only if they end.
            *("--stop-timeout", "10", "--loglevel", "WARNING"),
            *("--load-results", str(order.folder / "results"), user_class),
        ]

    def read(order: Order, _: str) -> Reading:
        (file,) = (order.folder / "results").iterdir()
        result = json.loads(file.read_text())
        file.unlink()
        kinds = result["errors"]["kinds"]
        wrong = ", ".join(f"{count} x {kind}" for kind, count in kinds.items())
        said = order.folder / "steady.json"
        figures = json.loads(said.read_text()) if said.exists() else {}
        return Reading(result["metrics"]["total_requests"], wrong, figures)

    def environment(order: Order) -> dict[str, str]:
        steady = str(order.folder / "steady.json")
        return {"LEAN": "1", "UPLOAD_FILE": str(order.file), "STEADY_REPORT": steady}

    name = LEAN_JOURNEYS if file == "journeys_locustfile.py" else LEAN
    return Generator(name, command, read, environment)


def k6(script: str, variables: Mapping[str, Any]) -> Generator:
    """k6 with a script of ours."""

    def command(order: Order) -> list[str]:
        summary = str(order.folder / "k6.json")
        return [
            *(peers.program("k6"), "run", "--quiet", "--no-color", "--no-usage-report"),
            *("--address", "localhost:0", "--summary-export", summary, str(LOADS / script)),
        ]

    def environment(order: Order) -> dict[str, str]:
        url = f"{order.url}{pages.GET_PATH}"
        given = {"URL": url, "SECONDS": order.seconds, "GOMAXPROCS": 1, **variables}
        return {name: str(value) for name, value in given.items()}

    def read(order: Order, _: str) -> Reading:
        return _k6_summary(order.folder / "k6.json", arrivals="RATE" in variables)

    return Generator(K6, command, read, environment)


def k9() -> Generator:
    """k9-load with the Python script."""

    def command(order: Order) -> list[str]:
        given = {"URL": f"{order.url}{pages.GET_PATH}", "VUS": USERS, "SECONDS": order.seconds}
        return [
            *(peers.program("k9"), "run", "--quiet", "--no-color"),
            *("--summary-export", str(order.folder / "k9.json")),
            *(part for name, value in given.items() for part in ("-e", f"{name}={value}")),
            str(LOADS / "k9_get.py"),
        ]

    return Generator(K9, command, lambda order, _: _k6_summary(order.folder / "k9.json"))


def _k6_summary(file: Path, *, arrivals: bool = False) -> Reading:
    metrics = json.loads(file.read_text())["metrics"]
    requests = int(metrics["http_reqs"]["count"])
    failed = metrics["http_req_failed"]["passes"]  # k6 counts that it was true that it failed
    figures = {}
    if arrivals:
        dropped = metrics.get("dropped_iterations", {}).get("count", 0)  # k6 leaves out a zero
        figures = {"dropped": dropped, "dropped_percent": 100 * dropped / (requests + dropped)}
    return Reading(requests, _some(failed, "requests failed"), figures)


def hey() -> Generator:
    """Go's hey."""

    def command(order: Order) -> list[str]:
        url = f"{order.url}{pages.GET_PATH}"
        return ["hey", "-z", f"{order.seconds}s", "-c", str(USERS), "-cpus", "1", url]

    def read(_: Order, output: str) -> Reading:
        counts = {int(s): int(n) for s, n in re.findall(r"\[(\d{3})\]\s+(\d+) resp", output)}
        strange = sum(count for status, count in counts.items() if status != 200)
        broken = sum(
            map(int, re.findall(r"\[(\d+)\]\s+(?!\d+ resp)\w+ ", output.partition("Error")[2]))
        )
        return Reading(sum(counts.values()), _some(strange + broken, "answers other than 200"))

    return Generator(HEY, command, read)


def wrk() -> Generator:
    """C's wrk."""

    def command(order: Order) -> list[str]:
        url = f"{order.url}{pages.GET_PATH}"
        return ["wrk", "-t1", f"-c{USERS}", f"-d{order.seconds}s", url]

    def read(_: Order, output: str) -> Reading:
        wrong = re.search(r"(Non-2xx.*|Socket errors.*)", output)
        return Reading(_number(r"(\d+) requests in", output), wrong and wrong[1])

    return Generator(WRK, command, read)


def ab() -> Generator:
    """Apache's ab, with keep-alive."""

    def command(order: Order) -> list[str]:
        most = str(200_000 * order.seconds)  # without it, -t ends at 50,000
        timed = ["-t", str(order.seconds), "-n", most]
        return ["ab", "-q", "-k", "-c", str(USERS), *timed, f"{order.url}{pages.GET_PATH}"]

    def read(_: Order, output: str) -> Reading:
        wrong = re.search(r"(Non-2xx responses:\s+\d+|Failed requests:\s+[1-9]\d*)", output)
        return Reading(_number(r"Complete requests:\s+(\d+)", output), wrong and wrong[1])

    return Generator(AB, command, read)


def _number(pattern: str, output: str) -> int:
    found = re.search(pattern, output)
    if found is None:
        raise ValueError(f"no {pattern!r} in its report")
    return int(found[1])


def _some(count: float, what: str) -> str | None:
    return f"{count:g} {what}" if count else None
