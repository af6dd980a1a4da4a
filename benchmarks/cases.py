"""The benchmark cases and their requirements."""

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
from generators import (
    JOURNEY_USER,
    K6,
    LOCUST,
    STEADY_USERS,
    STRAINGAUGE,
    USERS,
    Generator,
    RunArguments,
)
from measurement import MARGIN_S, MeasurementError, Metrics, Window, measure
from nginx import Nginx

HELP_RUNS = 9
HOUR_TIMEOUT_S = 300
CONNECTIONS, CONNECTIONS_RAMP_S = 10_000, 8
STEADY_S, STEADY_SETTLE_S = 60, 2.0
STEADY_DEVIATION = 0.02


@dataclass(frozen=True)
class Bench:
    """The set-up of a measurement: the target, the generators' core and the length.

    Attributes:
        seconds: Length of each measurement.
    """

    target: Nginx
    core: int
    seconds: int
    arguments: Callable[[int], RunArguments]


@dataclass(frozen=True)
class Ratio:
    """Least ratio of our rate to a peer's; None if the ratio is only shown."""

    peer: str
    at_least: float | None


@dataclass(frozen=True)
class Limit:
    """Limits of one of our metrics."""

    what: str
    metric: str
    at_most: float | None = None
    at_least: float | None = None


@dataclass(frozen=True)
class Case:
    """One kind of work for the generators.

    Attributes:
        key: Name on the command line.
        title: Name in the tables.
        measurements: By generator, the function that measures it once.
        required: Requirements for our generator.
        is_repeated: More than one round is needed.
        ours: Our generator.
    """

    key: str
    title: str
    measurements: Mapping[str, Callable[[Bench], Metrics]]
    required: tuple[Ratio | Limit, ...]
    is_repeated: bool = True
    ours: str = STRAINGAUGE


def _measure_rate(generator: Generator, bench: Bench) -> Metrics:
    """Measure requests without pauses."""
    run_s = bench.seconds + MARGIN_S
    return measure(
        generator, Window(bench.seconds, run_s), bench.target, bench.arguments(run_s), bench.core
    )


def _measure_arrivals(generator: Generator, bench: Bench) -> Metrics:
    """Measure the open model: the start delay over the whole run, the rate without its ends."""
    run_s = 4 * bench.seconds
    work = Window(run_s - MARGIN_S, run_s)
    return measure(generator, work, bench.target, bench.arguments(run_s), bench.core)


def _measure_connections(generator: Generator, bench: Bench) -> Metrics:
    """Measure many connections with few requests, once all of them are open."""
    run_s = CONNECTIONS_RAMP_S + 2 * bench.seconds + MARGIN_S
    work = Window(
        2 * bench.seconds, run_s, is_warm=lambda now, _: now.active >= CONNECTIONS, settle_s=1.0
    )
    return measure(generator, work, bench.target, bench.arguments(run_s), bench.core)


def _measure_steady_users(generator: Generator, bench: Bench) -> Metrics:
    """Measure thousands of Locust users for a minute, once all of them run."""
    run_s = by.STEADY_RAMP_S + STEADY_S + 8
    work = Window(
        STEADY_S, run_s, is_warm=lambda now, _: now.active >= STEADY_USERS, settle_s=STEADY_SETTLE_S
    )
    return measure(generator, work, bench.target, bench.arguments(run_s), bench.core)


def _measure_hour(bench: Bench) -> Metrics:
    """Measure the record of an hour in simulated time."""
    script = str(by.LOADS / "hour.py")
    command = ["taskset", "-c", str(bench.core), sys.executable, script]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=HOUR_TIMEOUT_S
    )
    if done.returncode != 0:
        raise MeasurementError(done.stderr.strip().splitlines()[-1])
    metrics: Metrics = json.loads(done.stdout)
    return metrics


def _measure_help(bench: Bench) -> Metrics:
    """Measure the time that `straingauge --help` takes."""
    program = str(Path(sys.executable).parent / "straingauge")
    command = ["taskset", "-c", str(bench.core), program, "--help"]
    durations_s = []
    for _ in range(HELP_RUNS):
        began_s = time.perf_counter()
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        durations_s.append(time.perf_counter() - began_s)
        if done.returncode != 0 or "Usage" not in done.stdout:
            raise MeasurementError(f"exit code {done.returncode}: {done.stderr.strip()[-200:]}")
    return {"help_s": statistics.median(durations_s)}


def _measurements(
    how: Callable[[Generator, Bench], Metrics], *generators: Generator
) -> dict[str, Callable[[Bench], Metrics]]:
    return {each.name: partial(how, each) for each in generators}


ENGINE = (
    Case(
        "get",
        "GET of an 80-byte JSON, 50 connections",
        _measurements(
            _measure_rate,
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
        _measurements(_measure_rate, by.straingauge("mix"), by.locust("Mix")),
        (Ratio(LOCUST, 8),),
    ),
    Case(
        "upload",
        "multipart upload of a 100 kB file, 50 users",
        _measurements(_measure_rate, by.straingauge("upload"), by.locust("Uploads")),
        (Ratio(LOCUST, 4),),
    ),
    Case(
        "open",
        "open model, 5,000 arrivals/s",
        _measurements(
            _measure_arrivals,
            by.straingauge("open"),
            by.k6("open.js", {"VUS": by.OPEN_USERS, "RATE": by.OPEN_RATE_PER_S}),
        ),
        (
            Limit("start delay, p99, ms", "start_delay_p99_ms", at_most=1),
            Limit("arrivals dropped", "dropped", at_most=0),
            Limit("arrivals not sent", "missing", at_most=0),
        ),
    ),
    Case(
        "connections",
        "10,000 open connections, 1 request/s each",
        _measurements(_measure_connections, by.straingauge("connections")),
        (
            Limit("peak resident memory, MB", "peak_mb", at_most=300),
            Limit("open connections", "connections", at_least=CONNECTIONS),
            Limit("requests/s", "rate_rps", at_least=0.98 * CONNECTIONS),
        ),
        is_repeated=False,
    ),
    Case(
        "hour",
        "record of an hour at 5,000 requests/s, 10 endpoints, simulated",
        {STRAINGAUGE: _measure_hour},
        (
            Limit("growth of resident memory, MB", "memory_mb", at_most=50),
            Limit("merge of 10 workers' records, s", "merge_s", at_most=0.2),
        ),
        is_repeated=False,
    ),
    Case(
        "help",
        "straingauge --help",
        {STRAINGAUGE: _measure_help},
        (Limit(f"seconds, median of {HELP_RUNS}", "help_s", at_most=0.2),),
        is_repeated=False,
    ),
)

LOCUST_USER = (
    Case(
        "locust_get",
        "in Locust: GET of an 80-byte JSON, 50 users",
        _measurements(
            _measure_rate,
            *(
                by.journey_user("Get"),
                by.journey_user("Get", file="journeys_locustfile.py"),
                by.locust("Get"),
            ),
        ),
        (Ratio(LOCUST, 3),),
        ours=JOURNEY_USER,
    ),
    Case(
        "locust_mix",
        "in Locust: login, list of 12 kB, detail of 8 kB: JSON parsed and checked, 50 users",
        _measurements(
            _measure_rate,
            *(
                by.journey_user("Mix"),
                by.journey_user("Mix", file="journeys_locustfile.py"),
                by.locust("Mix"),
            ),
        ),
        (Ratio(LOCUST, 2.5),),
        ours=JOURNEY_USER,
    ),
    Case(
        "locust_upload",
        "in Locust: multipart upload of a 100 kB file, 50 users",
        _measurements(
            _measure_rate,
            by.journey_user("Uploads"),
            by.journey_user("Uploads", file="journeys_locustfile.py"),
            by.locust("Uploads"),
        ),
        (Ratio(LOCUST, None),),
        ours=JOURNEY_USER,
    ),
    Case(
        "locust_users",
        f"in Locust: {STEADY_USERS:,} users, 1 request/s each, {STEADY_S} s",
        _measurements(
            _measure_steady_users,
            by.journey_user("Steady", users=STEADY_USERS, file="steady_locustfile.py"),
        ),
        (
            Limit("peak resident memory, MB", "peak_mb", at_most=700),
            Limit("users", "users_seen", at_least=STEADY_USERS),
            Limit("requests/s", "rate_rps", at_least=(1 - STEADY_DEVIATION) * STEADY_USERS),
            Limit("slowest user, requests/s", "slowest_user_rps", at_least=1 - STEADY_DEVIATION),
            Limit("fastest user, requests/s", "fastest_user_rps", at_most=1 + STEADY_DEVIATION),
        ),
        is_repeated=False,
        ours=JOURNEY_USER,
    ),
)

GROUPS = {"engine": ENGINE, "locust": LOCUST_USER}
CASES = ENGINE + LOCUST_USER
