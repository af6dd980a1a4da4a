"""Speed of TherapyBridge relative to baselines: `DATABASE_URL=... python benchmarks/service.py`.

One worker runs on core 0, wrk with 32 connections on core 1. Rounds are interleaved, so that other
work of the machine affects all alike, and added until the 90 % interval of each ratio is within
10 %, or the time is up. CPU times are those of the worker.

exit codes: 0 all requirements met; 1 a requirement missed.
"""

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
import httpx2
import output
import psutil
import table
from case import Case, Ratio
from cpu_time import ThreadTimes
from measurement import MeasurementError, Metrics
from options import parse_minutes
from provenance import provenance
from results import CaseResult
from rich.console import Console
from rounds import case_deadline_s, measure_rounds
from straingauge.target.ports import free_port

HERE = Path(__file__).resolve().parent
BACKEND = HERE.parent / "backend"
EMAIL, PASSWORD = "test@example.com", "TestPass123!"
SECONDS = 2


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of an application."""

    name: str
    app: str
    path: str


@dataclass(frozen=True)
class Server:
    """A running uvicorn."""

    url: str
    process: psutil.Process


@dataclass(frozen=True)
class Setup:
    """The running applications, and the headers of requests to them."""

    servers: Mapping[str, Server]
    headers: Mapping[str, str]


BARE = Endpoint("bare FastAPI route", "baselines:bare", "/live")
LIVE = Endpoint("/live", "app.main:app", "/live")
HEALTH = Endpoint("/health", "app.main:app", "/health")
BY_HAND = Endpoint("Starlette + asyncpg by hand", "baselines:by_hand", "/api/sessions/")
SESSIONS = Endpoint("/api/sessions/", "app.main:app", "/api/sessions/")
ENDPOINTS = (BARE, LIVE, HEALTH, BY_HAND, SESSIONS)


@dataclass(frozen=True)
class WrkReport:
    """The report of wrk."""

    requests: int
    rate_rps: float


def wrk(url: str, headers: Mapping[str, str], *, seconds: int) -> WrkReport:
    """Send GET requests from core 1 on 32 connections, as fast as they are answered.

    Raises:
        MeasurementError: There were errors.
    """
    flags = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["taskset", "-c", "1", "wrk", "-t1", "-c32", f"-d{seconds}s", "--timeout", "30s"]
    report = subprocess.run(
        [*command, *flags, url], check=True, capture_output=True, text=True
    ).stdout
    if "Non-2xx" in report or "Socket errors" in report:
        raise MeasurementError(f"{url} responded with errors:\n{report}")
    requests = re.search(r"(\d+) requests in", report)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", report)
    assert requests is not None
    assert rate is not None
    return WrkReport(int(requests[1]), float(rate[1]))


def measure(endpoint: Endpoint, setup: Setup, *, seconds: int = SECONDS) -> Metrics:
    """Put load on an endpoint; return its rate and its CPU time per request.

    Raises:
        MeasurementError: It responded with errors.
    """
    server = setup.servers[endpoint.app]
    before = ThreadTimes(server.process)
    report = wrk(f"{server.url}{endpoint.path}", setup.headers, seconds=seconds)
    used_s = ThreadTimes(server.process).since_s(before)
    return {"rate_rps": report.rate_rps, "cpu_us": used_s * 1e6 / report.requests}


def _case(key: str, endpoint: Endpoint, baseline: Endpoint, required: float) -> Case:
    return Case(
        f"service_{key}",
        f"TherapyBridge: {endpoint.path}, next to a {baseline.name}",
        {each.name: partial(measure, each) for each in (endpoint, baseline)},
        (Ratio(baseline.name, required),),
        ours=endpoint.name,
    )


CASES = (
    _case("live", LIVE, BARE, 0.8),
    _case("health", HEALTH, BARE, 0.4),
    _case("sessions", SESSIONS, BY_HAND, 0.7),
)


@contextmanager
def served(app: str, environment: dict[str, str]) -> Iterator[Server]:
    """Run an app on core 0 until the block ends."""
    port = free_port()
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


def check_same_bytes(servers: dict[str, Server], headers: dict[str, str]) -> None:
    """Check that service and baseline respond with the same bytes.

    Raises:
        SystemExit: They do not.
    """
    mine, theirs = (
        httpx2.get(f"{servers[each.app].url}{each.path}", headers=headers)
        for each in (SESSIONS, BY_HAND)
    )
    if mine.content != theirs.content:
        raise SystemExit(
            "the service and the hand-written handler respond with different bytes:\n"
            f"{mine.text[:400]}\n{theirs.text[:400]}"
        )


def main() -> int:
    """Measure, print and write; return 1 if a ratio is too small."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes",
        type=parse_minutes,
        default=1.5,
        help="time for all measurements (default: 1.5)",
    )
    output.add_keep_option(parser)
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
    context = provenance()
    prepare(environment)
    environment["BENCHMARK_THERAPIST"] = asyncio.run(therapist_id(database_url))
    results = [CaseResult(case) for case in CASES]
    with ExitStack() as stack:
        servers = {
            app: stack.enter_context(served(app, environment))
            for app in dict.fromkeys(each.app for each in ENDPOINTS)
        }
        headers = authorize(servers[SESSIONS.app])
        check_same_bytes(servers, headers)
        setup = Setup(servers, headers)
        for endpoint in ENDPOINTS:  # warm-up: connections, prepared statements, caches
            measure(endpoint, setup, seconds=1)
        deadline_s = time.monotonic() + 60 * options.minutes
        for number, result in enumerate(results):
            until_s = case_deadline_s(time.monotonic(), deadline_s, CASES[number:])
            for _ in measure_rounds(result, setup, until_s, time.monotonic):
                pass
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    for result in results:
        table.show(console, result)
    output.write_speed(
        {each.case.key: context | each.to_json() for each in results}, keep=options.keep
    )
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
