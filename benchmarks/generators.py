"""All generators: how each is started for a case, and how its own report is read.

A generator keeps 50 connections busy for a given time, on the core that it is pinned to. It does no
more per request than the case needs: no other checks, no extra output.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import payloads
import peers

JOURNEY_USER, JOURNEY_USER_JOURNEYS = "straingauge's Locust user", "the same, by journeys"
LOADS = Path(__file__).resolve().parent / "loads"
USERS = 50
LOCUST_START_S = 2
OPEN_RATE_PER_S, OPEN_USERS = 5_000, 500
STEADY_USERS, STEADY_RAMP_S = 5_000, 10
STRAINGAUGE, LOCUST, K6, K9, HEY, WRK, PACED = (
    *("straingauge", "Locust FastHttpUser", "k6", "k9-load script"),
    *("hey", "wrk", "wrk, paced as wrk2"),
)


@dataclass(frozen=True)
class RunArguments:
    """The arguments of one run of a generator.

    Attributes:
        url: URL of the target, without a path.
        tls_url: The same with TLS and HTTP/2.
        seconds: Length of the run.
        folder: A folder for its output; it contains `upload.bin`.
    """

    url: str
    tls_url: str
    seconds: int
    folder: Path

    @property
    def upload_file(self) -> Path:
        """The file to upload."""
        return self.folder / "upload.bin"


@dataclass(frozen=True)
class GeneratorReport:
    """The report of a generator: its requests, its errors, and further metrics."""

    requests: int
    error: str | None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Generator:
    """A generator for one case.

    Attributes:
        name: Name in the tables.
        command: Returns its command line.
        read: Reads its report from its standard output or from its folder.
        environment: Returns further environment variables.
        start_s: Time that it needs to start all its users, at most.
    """

    name: str
    command: Callable[[RunArguments], list[str]]
    read: Callable[[RunArguments, str], GeneratorReport]
    environment: Callable[[RunArguments], dict[str, str]] = lambda _: {}
    start_s: int = 1


def straingauge(case: str) -> Generator:
    """Return the engine of straingauge."""

    def command(arguments: RunArguments) -> list[str]:
        script = str(LOADS / "straingauge_load.py")
        return [
            sys.executable,
            script,
            case,
            arguments.tls_url if case == "http2" else arguments.url,
            str(arguments.seconds),
            str(arguments.upload_file),
        ]

    def read(_: RunArguments, output: str) -> GeneratorReport:
        report = json.loads(output)
        errors = _counted(report["errors"])
        metrics = {"peak_mb": report["peak_mb"]}
        if report["planned"] is not None:
            metrics |= {
                name: report[name]
                for name in ("start_delay_p50_ms", "start_delay_p99_ms", "start_delay_max_ms")
            }
            metrics["dropped"] = report["dropped"]
            metrics["dropped_percent"] = 100 * report["dropped"] / report["planned"]
            metrics["missing"] = report["planned"] - report["sent"]
        return GeneratorReport(
            report["requests"], errors and f"{errors}: {report['examples'][0]}", metrics
        )

    return Generator(STRAINGAUGE, command, read)


def straingauge_run(name: str, export: str | None = None) -> Generator:
    """Return `straingauge run` with OPEN_RATE_PER_S arrivals, and perhaps an export.

    The export is a suffix of files, or the format of a URL.
    """

    def command(arguments: RunArguments) -> list[str]:
        program = str(Path(sys.executable).with_name("straingauge"))
        command = [program, "run", "--get", payloads.GET_PATH, "--host", arguments.url]
        command += ["--rate", str(OPEN_RATE_PER_S), "--users", str(OPEN_USERS), "--json", "--quiet"]
        command += ["--duration", f"{arguments.seconds}s"]
        command += ["--results", str(arguments.folder / "results")]
        if export is None:
            return command
        if export.startswith("."):
            return [*command, "--export", str(arguments.folder / f"seconds{export}")]
        query = "?db=bench" if export == "influx" else ""
        return [*command, "--export", f"{export}+{arguments.url}/export{query}"]

    def read(_: RunArguments, output: str) -> GeneratorReport:
        result = json.loads(output)
        return _reported(result)

    return Generator(name, command, read, start_s=LOCUST_START_S)


def locust(user_class: str) -> Generator:
    """Return Locust with one of the user classes of locustfile.py."""

    def command(arguments: RunArguments) -> list[str]:
        return [
            *(peers.program("locust"), "-f", str(LOADS / "locustfile.py"), "--headless", "--json"),
            *_size(arguments, USERS, USERS),
            *("--loglevel", "WARNING", user_class),
        ]

    def read(_: RunArguments, output: str) -> GeneratorReport:
        entries = json.loads(output)
        failed = sum(entry["num_failures"] for entry in entries)
        requests = sum(entry["num_requests"] for entry in entries)
        return GeneratorReport(requests, _some(failed, "requests failed"))

    return Generator(
        LOCUST,
        command,
        read,
        lambda arguments: {"UPLOAD_FILE": str(arguments.upload_file)},
        LOCUST_START_S,
    )


def journey_user(
    user_class: str, *, users: int = USERS, file: str = "locustfile.py", exports: bool = False
) -> Generator:
    """Return Locust with our user, by one of the classes of a locustfile; perhaps exporting."""

    def command(arguments: RunArguments) -> list[str]:
        spawn_rate = max(users // STEADY_RAMP_S, USERS)
        return [
            *(sys.executable, "-m", "locust", "-f", str(LOADS / file), "--headless"),
            *_size(arguments, users, spawn_rate),
            # Both sides count the requests in flight at the end only if they are completed.
            *("--stop-timeout", "10", "--loglevel", "WARNING"),
            *("--load-results", str(arguments.folder / "results")),
            *(("--load-export", str(arguments.folder / "seconds.jsonl")) if exports else ()),
            user_class,
        ]

    def read(arguments: RunArguments, _: str) -> GeneratorReport:
        (file,) = (arguments.folder / "results").iterdir()
        result = json.loads(file.read_text())
        file.unlink()
        report = arguments.folder / "steady.json"
        metrics = json.loads(report.read_text()) if report.exists() else {}
        return _reported(result, metrics)

    def environment(arguments: RunArguments) -> dict[str, str]:
        steady = str(arguments.folder / "steady.json")
        return {
            "JOURNEY_USER": "1",
            "UPLOAD_FILE": str(arguments.upload_file),
            "STEADY_REPORT": steady,
        }

    name = JOURNEY_USER_JOURNEYS if file == "journeys_locustfile.py" else JOURNEY_USER
    name = f"{name} with this export" if exports else name
    return Generator(name, command, read, environment, LOCUST_START_S)


def k6(script: str, variables: Mapping[str, Any], *, tls: bool = False) -> Generator:
    """Return k6 with one of our scripts; it speaks HTTP/2 with TLS only."""

    def command(arguments: RunArguments) -> list[str]:
        summary = str(arguments.folder / "k6.json")
        return [
            *(peers.program("k6"), "run", "--quiet", "--no-color", "--no-usage-report"),
            *("--address", "localhost:0", "--summary-export", summary, str(LOADS / script)),
        ]

    def environment(arguments: RunArguments) -> dict[str, str]:
        url = f"{arguments.tls_url if tls else arguments.url}{payloads.GET_PATH}"
        values = {"URL": url, "SECONDS": arguments.seconds, "GOMAXPROCS": 1, **variables}
        values["K6_INSECURE_SKIP_TLS_VERIFY"] = "true"
        return {name: str(value) for name, value in values.items()}

    def read(arguments: RunArguments, _: str) -> GeneratorReport:
        return _k6_summary(arguments.folder / "k6.json", arrivals="RATE" in variables)

    return Generator(K6, command, read, environment)


def k9() -> Generator:
    """Return k9-load with the Python script."""

    def command(arguments: RunArguments) -> list[str]:
        variables = {
            "URL": f"{arguments.url}{payloads.GET_PATH}",
            "VUS": USERS,
            "SECONDS": arguments.seconds,
        }
        return [
            *(peers.program("k9"), "run", "--quiet", "--no-color"),
            *("--summary-export", str(arguments.folder / "k9.json")),
            *(part for name, value in variables.items() for part in ("-e", f"{name}={value}")),
            str(LOADS / "k9_get.py"),
        ]

    return Generator(K9, command, lambda arguments, _: _k6_summary(arguments.folder / "k9.json"))


def _k6_summary(file: Path, *, arrivals: bool = False) -> GeneratorReport:
    summary = json.loads(file.read_text())["metrics"]
    requests = int(summary["http_reqs"]["count"])
    failed = summary["http_req_failed"]["passes"]  # requests for which "failed" is true
    metrics = {}
    if arrivals:
        dropped = summary.get("dropped_iterations", {}).get("count", 0)  # k6 omits a zero
        metrics = {"dropped": dropped, "dropped_percent": 100 * dropped / (requests + dropped)}
    return GeneratorReport(requests, _some(failed, "requests failed"), metrics)


def hey() -> Generator:
    """Return hey."""

    def command(arguments: RunArguments) -> list[str]:
        url = f"{arguments.url}{payloads.GET_PATH}"
        return ["hey", "-z", f"{arguments.seconds}s", "-c", str(USERS), "-cpus", "1", url]

    def read(_: RunArguments, output: str) -> GeneratorReport:
        counts = {int(s): int(n) for s, n in re.findall(r"\[(\d{3})\]\s+(\d+) resp", output)}
        unexpected = sum(count for status, count in counts.items() if status != 200)
        failed = sum(
            map(int, re.findall(r"\[(\d+)\]\s+(?!\d+ resp)\w+ ", output.partition("Error")[2]))
        )
        return GeneratorReport(
            sum(counts.values()), _some(unexpected + failed, "responses other than 200")
        )

    return Generator(HEY, command, read)


def wrk(name: str = WRK, *options: str, **variables: int) -> Generator:
    """Return wrk."""

    def command(arguments: RunArguments) -> list[str]:
        url = f"{arguments.url}{payloads.GET_PATH}"
        return ["wrk", "-t1", f"-c{USERS}", f"-d{arguments.seconds}s", *options, url]

    def read(_: RunArguments, output: str) -> GeneratorReport:
        errors = re.search(r"(Non-2xx.*|Socket errors.*)", output)
        return GeneratorReport(_number(r"(\d+) requests in", output), errors and errors[1])

    environment = {name: str(value) for name, value in variables.items()}
    return Generator(name, command, read, lambda _: environment)


def paced(rate_per_s: int) -> Generator:
    """Return wrk with a script that keeps a rate, as wrk2 does; wrk2 has no Debian package."""
    return wrk(PACED, "-s", str(LOADS / "paced.lua"), RATE=rate_per_s)


def _size(arguments: RunArguments, users: int, spawn_rate: int) -> list[str]:
    """Return Locust's options for users, duration and target."""
    size = ["--users", str(users), "--spawn-rate", str(spawn_rate)]
    return [*size, "--run-time", f"{arguments.seconds}s", "--host", arguments.url]


def _reported(
    result: dict[str, Any], metrics: Mapping[str, float] | None = None
) -> GeneratorReport:
    """Return the report of a result file of straingauge."""
    errors = _counted(result["errors"]["kinds"])
    return GeneratorReport(result["metrics"]["total_requests"], errors, metrics or {})


def _counted(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{count} x {kind}" for kind, count in kinds.items())


def _number(pattern: str, output: str) -> int:
    found = re.search(pattern, output)
    if found is None:
        raise ValueError(f"no {pattern!r} in its report")
    return int(found[1])


def _some(count: float, what: str) -> str | None:
    return f"{count:g} {what}" if count else None
