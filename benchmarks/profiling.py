"""Measure the cost of profiling to the service: `make profiling`.

One worker of TherapyBridge has core 0; wrk with 32 connections, py-spy and the database have core
1. Each round has a load without a profile, one with the profile of any load, and one with
`--profile`; every second round runs in reverse order. The cost is that of a whole load, of which a
part is sampled. A load of 10 s is the shortest that is profiled without `--profile`, and the one in
which the start of py-spy counts most.

The cost to throughput is shown by two measures, neither of which counts waits for a core, as a
busy machine causes them:

- by CPU: CPU time of the service per request;
- by time: time of the service's main thread per request, less its waits for a core. A profiler
  that stops the service, or holds its interpreter's lock, takes time, but no CPU time.

exit codes: 0 the profile of any load costs at most 3 %, by both ends of both intervals; 1 more.
"""

import argparse
import itertools
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import psutil
from cpu_time import ThreadTimes
from output import add_keep_option, results_folder
from profiling_cost import (
    BY_DEFAULT,
    ORDER,
    REQUESTED,
    WITHOUT,
    Load,
    Round,
    cost_percent,
    is_cheap,
    median,
    to_json,
)
from provenance import provenance
from rich.console import Console
from rich.table import Table
from service import SESSIONS, Server, authorize, wrk
from straingauge.profile import Profiler
from straingauge.profile.sampling import MIN_LOAD_S
from straingauge.profile.service_pids import service_processes

WARM_UP_S: Final = 2
MIN_ROUNDS: Final = 3  # fewer give no interval


def measure(server: Server, headers: Mapping[str, str], kind: str, seconds: int) -> Load:
    """Put a load on the list of sessions, profiled or not.

    Raises:
        MeasurementError: The service responded with errors.
        SystemExit: It was not profiled.
    """
    responses = itertools.count()  # there is always another one: no pause is seen
    profiler = (
        None
        if kind == WITHOUT
        else Profiler(
            server.url,
            server.process.pid,
            lambda: next(responses),
            seconds,
            is_requested=kind == REQUESTED,
        )
    )
    with profiler or nullcontext():
        before, began_s = ThreadTimes(server.process), time.monotonic()
        if profiler:
            profiler.begin()
        report = wrk(f"{server.url}{SESSIONS.path}", headers, seconds=seconds)
        if profiler:
            profiler.end()
        after, took_s = ThreadTimes(server.process), time.monotonic() - began_s
        profile = profiler.profile() if profiler else None
    if profile and not profile["running_samples"]:
        raise SystemExit(f"the service was not profiled: {', '.join(profile['notes'])}")
    waited_s = after.main_thread_waited_s(before, server.process.pid)
    return Load(
        rate_rps=round(report.rate_rps, 1),
        cpu_us=round(after.since_s(before) * 1e6 / report.requests, 1),
        time_us=round((took_s - waited_s) * 1e6 / report.requests, 1),
        profiler_cpu_percent=profile["cost"]["cpu_percent"] if profile else 0.0,
        samples=profile["running_samples"] if profile else 0,
    )


def show(console: Console, rounds: Sequence[Round]) -> None:
    """Print the table."""
    table = Table("profile", box=None)
    titles = ("requests/s", "CPU, us", "time, us", "cost by CPU, %", "cost by time, %")
    for title in (*titles, "CPU of profiling, %", "samples"):
        table.add_column(title, justify="right")
    for kind in ORDER:
        row = [f"{median(rounds, kind, name):,.1f}" for name in ("rate_rps", "cpu_us", "time_us")]
        row += [
            "" if kind == WITHOUT else str(cost_percent(rounds, kind, metric))
            for metric in ("cpu_us", "time_us")
        ]
        row.append(f"{median(rounds, kind, 'profiler_cpu_percent'):.1f}")
        table.add_row(kind, *row, f"{median(rounds, kind, 'samples'):.0f}")
    console.print(table)


def pin(process: psutil.Process, core: int) -> None:
    """Give a process, with all threads that it has, one core."""
    for thread in Path(f"/proc/{process.pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def main() -> int:
    """Measure, print and write; return 1 if the profile of any load costs too much."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="TherapyBridge with one worker, as `make profiling` starts it")
    parser.add_argument("--rounds", type=int, default=12, help="at least 3 (default: 12)")
    parser.add_argument("--seconds", type=int, default=int(MIN_LOAD_S), help="of each load")
    add_keep_option(parser)
    options = parser.parse_args()
    if options.rounds < MIN_ROUNDS or options.seconds < MIN_LOAD_S:
        parser.error(f"at least {MIN_ROUNDS} rounds of {MIN_LOAD_S:.0f} s are needed")
    if shutil.which("wrk") is None or shutil.which("taskset") is None:
        parser.error("wrk or taskset is missing; try: apt-get install wrk util-linux")
    context = provenance()
    found = service_processes(options.url, None)
    if not found:
        parser.error(f"no process of this machine listens at {options.url}")
    server = Server(options.url, found[0])
    headers = authorize(server)
    os.sched_setaffinity(0, {1})
    pin(server.process, 0)
    wrk(f"{server.url}{SESSIONS.path}", headers, seconds=WARM_UP_S)
    file = results_folder(keep=options.keep) / "profiling.json"
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    rounds: list[dict[str, Load]] = []
    for number in range(options.rounds):
        kinds = ORDER if number % 2 == 0 else ORDER[::-1]
        rounds.append({kind: measure(server, headers, kind, options.seconds) for kind in kinds})
        console.print(
            f"round {number + 1}: "
            + ", ".join(f"{kind} {rounds[-1][kind].time_us:,.0f} us" for kind in ORDER)
        )
    file.write_text(json.dumps(context | to_json(rounds, options.seconds), indent=1) + "\n")
    show(console, rounds)
    passed = is_cheap([cost_percent(rounds, BY_DEFAULT, name) for name in ("cpu_us", "time_us")])
    console.print("requirement met" if passed else "requirement missed")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
