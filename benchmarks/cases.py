"""What is measured, and what is required of it ("Speed" in issues 3 and 5)."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import generators as by
from generators import K6, LEAN, LOCUST, STEADY_USERS, STRAINGAUGE, USERS, Generator, Order
from nginx import Nginx
from sample import MARGIN_S, Failed, Figures, Work, take

HELP_RUNS = 9
HOUR_PATIENCE_S = 300
CONNECTIONS, CONNECTIONS_RAMP_S = 10_000, 8
STEADY_S, STEADY_SETTLE_S = 60, 2.0
STEADY_DEVIATION = 0.02


@dataclass(frozen=True)
class Bench:
    """Where it is measured: the target, the generators' core, and how long.

    Attributes:
        seconds: How long requests are counted, each time.
    """

    target: Nginx
    core: int
    seconds: int
    order: Callable[[int], Order]


@dataclass(frozen=True)
class Ratio:
    """Our rate must be so many times the peer's; None requires nothing."""

    peer: str
    at_least: float | None


@dataclass(frozen=True)
class Limit:
    """A figure of ours must be within these limits."""

    what: str
    figure: str
    at_most: float | None = None
    at_least: float | None = None


@dataclass(frozen=True)
class Case:
    """One work.

    Attributes:
        key: Its name on the command line.
        title: Its name in the tables.
        takers: By generator, what measures it once.
        required: Of ours.
        repeated: Whether one round is not enough.
        ours: The generator of which it is required.
    """

    key: str
    title: str
    takers: Mapping[str, Callable[[Bench], Figures]]
    required: tuple[Ratio | Limit, ...]
    repeated: bool = True
    ours: str = STRAINGAUGE


def _sending(generator: Generator, bench: Bench) -> Figures:
    """Requests as fast as they go."""
    run_s = bench.seconds + MARGIN_S
    return take(generator, Work(bench.seconds, run_s), bench.target, bench.order(run_s), bench.core)


def _arriving(generator: Generator, bench: Bench) -> Figures:
    """The open model: all of the run counts for lateness, all but its ends for the rate."""
    run_s = 4 * bench.seconds
    work = Work(run_s - MARGIN_S, run_s)
    return take(generator, work, bench.target, bench.order(run_s), bench.core)


def _connected(generator: Generator, bench: Bench) -> Figures:
    """Many connections that do little: counted once all of them are open."""
    run_s = CONNECTIONS_RAMP_S + 2 * bench.seconds + MARGIN_S
    work = Work(
        2 * bench.seconds, run_s, warm=lambda now, _: now.active >= CONNECTIONS, settle_s=1.0
    )
    return take(generator, work, bench.target, bench.order(run_s), bench.core)


def _steady(generator: Generator, bench: Bench) -> Figures:
    """Thousands of Locust users for a minute, counted once all of them are there."""
    run_s = by.STEADY_RAMP_S + STEADY_S + 8
    work = Work(
        STEADY_S, run_s, warm=lambda now, _: now.active >= STEADY_USERS, settle_s=STEADY_SETTLE_S
    )
    return take(generator, work, bench.target, bench.order(run_s), bench.core)


def _hour(bench: Bench) -> Figures:
    """The record of an hour in simulated time."""
    script = str(by.LOADS / "hour.py")
    command = ["taskset", "-c", str(bench.core), sys.executable, script]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=HOUR_PATIENCE_S
    )
    if done.returncode != 0:
        raise Failed(done.stderr.strip().splitlines()[-1])
    figures: Figures = json.loads(done.stdout)
    return figures


def _help(bench: Bench) -> Figures:
    """How long `straingauge --help` takes, from the command to its end."""
    program = str(Path(sys.executable).parent / "straingauge")
    command = ["taskset", "-c", str(bench.core), program, "--help"]
    taken_s = []
    for _ in range(HELP_RUNS):
        began_s = time.perf_counter()
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        taken_s.append(time.perf_counter() - began_s)
        if done.returncode != 0 or "Usage" not in done.stdout:
            raise Failed(f"exit code {done.returncode}: {done.stderr.strip()[-200:]}")
    return {"help_s": statistics.median(taken_s)}


def _takers(
    how: Callable[[Generator, Bench], Figures], *generators: Generator
) -> dict[str, Callable[[Bench], Figures]]:
    return {each.name: partial(how, each) for each in generators}


ENGINE = (
    Case(
        "get",
        "GET of an 80-byte JSON, 50 connections",
        _takers(
            _sending,
            *(by.straingauge("get"), by.locust("Get"), by.k6("get.js", {"VUS": USERS}), by.k9()),
            *(by.hey(), by.wrk(), by.ab()),
        ),
        (
            *(Ratio(LOCUST, 12), Ratio(K6, 5), Ratio(by.K9, 5), Ratio(by.HEY, 1.5)),
            *(Ratio(by.WRK, 0.35), Ratio(by.AB, None)),
        ),
    ),
    Case(
        "mix",
        "login, list of 12 kB, detail of 8 kB: JSON parsed and checked, 50 users",
        _takers(_sending, by.straingauge("mix"), by.locust("Mix")),
        (Ratio(LOCUST, 8),),
    ),
    Case(
        "upload",
        "multipart upload of a 100 kB file, 50 users",
        _takers(_sending, by.straingauge("upload"), by.locust("Uploads")),
        (Ratio(LOCUST, 4),),
    ),
    Case(
        "open",
        "open model, 5,000 arrivals/s",
        _takers(
            _arriving,
            by.straingauge("open"),
            by.k6("open.js", {"VUS": by.OPEN_USERS, "RATE": by.OPEN_RATE_PER_S}),
        ),
        (
            Limit("lateness, p99, ms", "late_p99_ms", at_most=1),
            Limit("arrivals dropped", "dropped", at_most=0),
            Limit("arrivals not sent", "missing", at_most=0),
        ),
    ),
    Case(
        "connections",
        "10,000 open connections, 1 request/s each",
        _takers(_connected, by.straingauge("connections")),
        (
            Limit("most resident memory, MB", "peak_mb", at_most=300),
            Limit("open connections", "connections", at_least=CONNECTIONS),
            Limit("requests/s", "rate_rps", at_least=0.98 * CONNECTIONS),
        ),
        repeated=False,
    ),
    Case(
        "hour",
        "record of an hour at 5,000 requests/s, 10 endpoints, simulated",
        {STRAINGAUGE: _hour},
        (
            Limit("growth of resident memory, MB", "memory_mb", at_most=50),
            Limit("merge of 10 workers' records, s", "merge_s", at_most=0.2),
        ),
        repeated=False,
    ),
    Case(
        "help",
        "straingauge --help",
        {STRAINGAUGE: _help},
        (Limit(f"seconds, median of {HELP_RUNS}", "help_s", at_most=0.2),),
        repeated=False,
    ),
)

LOCUST_USER = (
    Case(
        "locust_get",
        "in Locust: GET of an 80-byte JSON, 50 users",
        _takers(
            _sending,
            *(by.lean("Get"), by.lean("Get", file="journeys_locustfile.py"), by.locust("Get")),
        ),
        (Ratio(LOCUST, 3),),
        ours=LEAN,
    ),
    Case(
        "locust_mix",
        "in Locust: login, list of 12 kB, detail of 8 kB: JSON parsed and checked, 50 users",
        _takers(
            _sending,
            *(by.lean("Mix"), by.lean("Mix", file="journeys_locustfile.py"), by.locust("Mix")),
        ),
        (Ratio(LOCUST, 2.5),),
        ours=LEAN,
    ),
    Case(
        "locust_upload",
        "in Locust: multipart upload of a 100 kB file, 50 users",
        _takers(
            _sending,
            by.lean("Uploads"),
            by.lean("Uploads", file="journeys_locustfile.py"),
            by.locust("Uploads"),
        ),
        (Ratio(LOCUST, None),),
        ours=LEAN,
    ),
    Case(
        "locust_users",
        f"in Locust: {STEADY_USERS:,} users, 1 request/s each, {STEADY_S} s",
        _takers(_steady, by.lean("Steady", users=STEADY_USERS, file="steady_locustfile.py")),
        (
            Limit("most resident memory, MB", "peak_mb", at_most=700),
            Limit("users seen", "users_seen", at_least=STEADY_USERS),
            Limit("requests/s", "rate_rps", at_least=(1 - STEADY_DEVIATION) * STEADY_USERS),
            Limit("slowest user, requests/s", "slowest_user_rps", at_least=1 - STEADY_DEVIATION),
            Limit("fastest user, requests/s", "fastest_user_rps", at_most=1 + STEADY_DEVIATION),
        ),
        repeated=False,
        ours=LEAN,
    ),
)

GROUPS = {"engine": ENGINE, "locust": LOCUST_USER}
CASES = ENGINE + LOCUST_USER
