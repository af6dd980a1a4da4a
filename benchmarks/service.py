"""Speed of TherapyBridge relative to baselines: `DATABASE_URL=... python benchmarks/service.py`.

One worker runs on core 0, wrk with 32 connections on core 1. Rounds are interleaved, so that other
work of the machine affects all cases alike. Values are medians over the rounds. Exits with 1 if a
ratio is too small.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx2
import psutil
from output import add_keep_option, results_folder

HERE = Path(__file__).resolve().parent
BACKEND = HERE.parent / "backend"
EMAIL, PASSWORD = "test@example.com", "TestPass123!"


@dataclass
class Case:
    """One endpoint and its measurements."""

    name: str
    app: str
    path: str
    rates_rps: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    @property
    def rate_rps(self) -> float:
        """Requests per second, the median over the rounds."""
        return statistics.median(self.rates_rps)


@dataclass(frozen=True)
class Requirement:
    """Least ratio of a case's rate to that of its baseline."""

    case: Case
    baseline: Case
    at_least: float

    @property
    def ratio(self) -> float:
        """The median over the rounds of the ratio within each."""
        pairs = zip(self.case.rates_rps, self.baseline.rates_rps, strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)


BARE = Case("bare FastAPI route", "baselines:bare", "/live")
LIVE = Case("/live", "app.main:app", "/live")
HEALTH = Case("/health", "app.main:app", "/health")
BY_HAND = Case("Starlette + asyncpg by hand", "baselines:by_hand", "/api/sessions/")
SESSIONS = Case("/api/sessions/", "app.main:app", "/api/sessions/")
CASES = (BARE, LIVE, HEALTH, BY_HAND, SESSIONS)
REQUIREMENTS = (
    Requirement(LIVE, BARE, 0.8),
    Requirement(HEALTH, BARE, 0.4),
    Requirement(SESSIONS, BY_HAND, 0.7),
)


@dataclass(frozen=True)
class Server:
    """A running uvicorn."""

    url: str
    process: psutil.Process


@contextmanager
def served(app: str, environment: dict[str, str]) -> Iterator[Server]:
    """Run an app on core 0 until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *("taskset", "-c", "0", sys.executable, "-m", "app.serve", app),
            *("--port", str(port), "--no-access-log", "--log-level", "warning"),
        ],
        cwd=BACKEND,
        env=environment | {"PYTHONPATH": f"{BACKEND}:{HERE}"},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        while not responds(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{app} did not start")
            time.sleep(0.05)
        yield Server(url, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait()


def responds(url: str) -> bool:
    """Return true if a server responds at a URL."""
    try:
        httpx2.get(url)
    except httpx2.TransportError:
        return False
    return True


def measure(case: Case, server: Server, headers: dict[str, str], duration_s: int) -> None:
    """Put load on one case; record its rate and its CPU time per request."""
    flags = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    before = server.process.cpu_times()
    output = subprocess.run(
        [
            *("taskset", "-c", "1", "wrk", "-t1", "-c32", f"-d{duration_s}s"),
            *(*flags, f"{server.url}{case.path}"),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    after = server.process.cpu_times()
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"{case.name} responded with errors:\n{output}")
    requests = re.search(r"(\d+) requests in", output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert requests is not None
    assert rate is not None
    case.rates_rps.append(float(rate.group(1)))
    used_s = after.user + after.system - before.user - before.system
    case.cpu_us.append(used_s * 1e6 / int(requests.group(1)))


def prepare(environment: dict[str, str]) -> None:
    """Migrate the database and add the sample data."""
    for module in (("alembic", "upgrade", "head"), ("app.seed",)):
        done = subprocess.run(
            [sys.executable, "-m", *module],
            cwd=BACKEND,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise SystemExit(done.stderr.strip().splitlines()[-1])


async def therapist_id(database_url: str) -> str:
    """Return the id of the account whose sessions are listed."""
    connection = await asyncpg.connect(database_url)
    try:
        return str(await connection.fetchval("SELECT id FROM users WHERE email = $1", EMAIL))
    finally:
        await connection.close()


def authorize(server: Server) -> dict[str, str]:
    """Log a therapist in; return the headers for further requests."""
    login = httpx2.post(
        f"{server.url}/api/v1/auth/login", json={"email": EMAIL, "password": PASSWORD}
    )
    login.raise_for_status()
    return {"Authorization": f"Bearer {login.json()['access_token']}"}


def check_same_bytes(servers: dict[str, Server], headers: dict[str, str]) -> int:
    """Check that service and baseline respond with the same bytes; return their number."""
    mine, theirs = (
        httpx2.get(f"{servers[case.app].url}{case.path}", headers=headers)
        for case in (SESSIONS, BY_HAND)
    )
    if mine.content != theirs.content:
        raise SystemExit(
            "the service and the hand-written handler respond with different bytes:\n"
            f"{mine.text[:400]}\n{theirs.text[:400]}"
        )
    return len(mine.content)


def report() -> bool:
    """Print the table; return true if every ratio is large enough."""
    print(f"{'':30}{'requests/s':>12}{'CPU us/request':>16}")
    for case in CASES:
        print(f"{case.name:30}{case.rate_rps:12,.0f}{statistics.median(case.cpu_us):16.0f}")
    print()
    for requirement in REQUIREMENTS:
        verdict = "ok" if requirement.ratio >= requirement.at_least else "MISSED"
        what = f"{requirement.case.name} / {requirement.baseline.name}"
        print(f"{what:46}{requirement.ratio:6.2f}   (at least {requirement.at_least})  {verdict}")
    return all(requirement.ratio >= requirement.at_least for requirement in REQUIREMENTS)


def write_result(file: Path, rounds: int, duration_s: int, body_bytes: int) -> None:
    """Write the results to a file."""
    result = {
        "machine": {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "python": platform.python_version(),
        "rounds": rounds,
        "round_s": duration_s,
        "sessions_body_bytes": body_bytes,
        "cases": {
            case.name: {"rates_rps": case.rates_rps, "cpu_us_per_request": case.cpu_us}
            for case in CASES
        },
        "ratios": {
            requirement.case.name: {
                "against": requirement.baseline.name,
                "ratio": round(requirement.ratio, 3),
                "at_least": requirement.at_least,
            }
            for requirement in REQUIREMENTS
        },
    }
    file.write_text(json.dumps(result, indent=2) + "\n")


def main() -> int:
    """Measure, print and write; return 1 if a ratio is too small."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="length of each measurement")
    add_keep_option(parser)
    options = parser.parse_args()
    if shutil.which("wrk") is None or shutil.which("taskset") is None:
        raise SystemExit("wrk or taskset is missing; try: apt-get install wrk util-linux")
    database_url = os.environ.get("DATABASE_URL")
    if database_url is None:
        raise SystemExit("DATABASE_URL is not set; `make serve` starts a database and prints it")
    environment = dict(os.environ) | {
        "RATE_LIMIT_DEFAULT": "1000000000/minute",  # limits nothing, but is counted
        "JOB_WORKER": "false",
    }
    prepare(environment)
    environment["BENCHMARK_THERAPIST"] = asyncio.run(therapist_id(database_url))
    with ExitStack() as stack:
        servers = {
            app: stack.enter_context(served(app, environment))
            for app in dict.fromkeys(case.app for case in CASES)
        }
        headers = authorize(servers[SESSIONS.app])
        body_bytes = check_same_bytes(servers, headers)
        for case in CASES:  # warm-up: connections, prepared statements, caches
            measure(Case(case.name, case.app, case.path), servers[case.app], headers, 1)
        for _ in range(options.rounds):
            for case in CASES:
                measure(case, servers[case.app], headers, options.seconds)
    passed = report()
    file = results_folder(keep=options.keep) / "service.json"
    write_result(file, options.rounds, options.seconds, body_bytes)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
