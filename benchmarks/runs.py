"""The measurement of each kind of work."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from case import Bench
from generators import LOADS, STEADY_RAMP_S, STEADY_USERS, Generator
from measurement import (
    MARGIN_S,
    MeasurementError,
    Metrics,
    TooShortError,
    Window,
    measure,
    run_script,
)

HELP_RUNS = 9
MORE_S = (0, 2, 6)  # a busy machine starts a generator slowly
HOUR_TIMEOUT_S = 300
CONNECTIONS, CONNECTIONS_RAMP_S, CONNECTIONS_S = 10_000, 8, 10
STEADY_S, STEADY_SETTLE_S = 20, 2.0


def measure_rate(generator: Generator, bench: Bench) -> Metrics:
    """Measure requests without pauses."""
    return measure_patiently(
        generator, bench, Window(bench.seconds, bench.seconds + generator.start_s)
    )


def measure_arrivals(generator: Generator, bench: Bench) -> Metrics:
    """Measure the open model: the start delay over the whole run, the rate without its ends."""
    window_s = 2 * bench.seconds
    return measure_patiently(
        generator,
        bench,
        Window(
            window_s,
            window_s + generator.start_s,
            is_warm=lambda now, before: now.requests > before.requests,
        ),
    )


def measure_patiently(generator: Generator, bench: Bench, window: Window) -> Metrics:
    """Measure a generator; if it ends too early, measure a longer run."""
    for more_s in MORE_S:
        longer = replace(window, run_s=window.run_s + more_s)
        try:
            return measure(
                generator, longer, bench.target, bench.arguments(longer.run_s), bench.core
            )
        except TooShortError:
            if more_s == MORE_S[-1]:
                raise
    raise AssertionError


def measure_connections(generator: Generator, bench: Bench) -> Metrics:
    """Measure many connections with few requests, once all of them are open."""
    run_s = CONNECTIONS_RAMP_S + CONNECTIONS_S + MARGIN_S
    work = Window(
        CONNECTIONS_S, run_s, is_warm=lambda now, _: now.active >= CONNECTIONS, settle_s=1.0
    )
    return measure(generator, work, bench.target, bench.arguments(run_s), bench.core)


def measure_steady_users(generator: Generator, bench: Bench) -> Metrics:
    """Measure thousands of Locust users for 20 s, once all of them run."""
    run_s = STEADY_RAMP_S + STEADY_S + 8
    work = Window(
        STEADY_S, run_s, is_warm=lambda now, _: now.active >= STEADY_USERS, settle_s=STEADY_SETTLE_S
    )
    return measure(generator, work, bench.target, bench.arguments(run_s), bench.core)


def measure_hour(bench: Bench) -> Metrics:
    """Measure the record of an hour in simulated time."""
    return run_script(str(LOADS / "hour.py"), bench.core, timeout_s=HOUR_TIMEOUT_S)


def measure_help(bench: Bench) -> Metrics:
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


def measurements(
    how: Callable[[Generator, Bench], Metrics], *generators: Generator
) -> dict[str, Callable[[Bench], Metrics]]:
    """Return the functions that measure each generator, by its name."""
    return {each.name: partial(how, each) for each in generators}
