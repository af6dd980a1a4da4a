"""Speed of straingauge's engine and of its Locust user: `python benchmarks/engine.py`.

nginx is pinned to one core and each generator to another. Rounds are interleaved, so that other
work of the machine affects all generators alike, and added until the 90 % interval of each ratio is
within 10 %, or the time is up. nginx counts the rates. Values are medians over the rounds; a ratio
is met if the lower ends of its intervals are, by rate and by CPU time per request. The machine
should be idle.

exit codes: 0 all requirements met; 1 a requirement missed or a generator failed; 2 wrong usage;
130 interrupted.
"""

import argparse
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

import output
import peers
import table
from case import Bench, Case
from cases import CASES, GROUPS
from generators import HEY, K6, K9, LOCUST, PACED, WRK
from machine import allow_files, machine_cores
from options import names_parser, parse_count, parse_minutes
from provenance import provenance
from results import CaseResult
from rich.console import Console
from rounds import case_deadline_s, measure_rounds
from scene import prepared

PROGRAMS = {LOCUST: "locust", K6: "k6", K9: "k9", HEY: "hey", WRK: "wrk", PACED: "wrk"}


def main() -> int:
    """Install, measure, print and write; return 1 if a requirement is missed."""
    options = _arguments()
    signal.signal(signal.SIGTERM, _leave)  # ends everything that was started
    # A process that a shell starts with `&` ignores SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    cores = machine_cores()
    allow_files()
    missing_programs = peers.install(console.print)
    results = [_case_result(case, missing_programs) for case in CASES if case.key in options.only]
    context = provenance() | {"window_s": options.seconds}
    deadline_s = time.monotonic() + 60 * options.minutes
    with prepared(cores, options.seconds) as bench:
        for number, result in enumerate(results):
            cases = [each.case for each in results[number:]]
            until_s = case_deadline_s(time.monotonic(), deadline_s, cases)
            _measure(result, bench, until_s, console)
    for result in results:
        table.show(console, result)
    file = output.write_speed(
        {result.case.key: context | result.to_json() for result in results}, keep=options.keep
    )
    console.print(f"\nwritten to {file}")
    missed = [result.case.key for result in results if not result.passed]
    console.print(
        f"\nrequirements missed: {', '.join(missed)}" if missed else "\nall requirements met"
    )
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    lines = "\n".join(f"  {case.key:13} {case.title}" for case in CASES)
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\ncases:\n{lines}\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        metavar="CASES",
        type=names_parser([case.key for case in CASES], "cases", _groups()),
        default=[key for name in ("engine", "locust") for key in _groups()[name]],
        help="a list of cases, such as get,mix, or the groups engine, locust and costs"
        " (default: engine,locust)",
    )
    parser.add_argument(
        "--minutes",
        type=parse_minutes,
        default=7.5,
        help="time for all cases; each gets a share (default: 7.5, so that make bench takes 10)",
    )
    parser.add_argument(
        "--seconds",
        type=parse_count,
        default=1,
        help="length of each measurement; twice that for the open model (default: 1)",
    )
    output.add_keep_option(parser)
    return parser.parse_args()


def _groups() -> dict[str, list[str]]:
    return {name: [case.key for case in cases] for name, cases in GROUPS.items()}


def _case_result(case: Case, missing_programs: dict[str, str]) -> CaseResult:
    result = CaseResult(case)
    for name in case.measurements:
        if (reason := missing_programs.get(PROGRAMS.get(name, ""))) is not None:
            result.skipped[name] = reason
    return result


def _measure(result: CaseResult, bench: Bench, deadline_s: float, console: Console) -> None:
    """Measure all generators of a case in turn, round by round."""
    for number, name, outcome in measure_rounds(result, bench, deadline_s, time.monotonic):
        head = f"{result.case.key}, round {number}: {name}"
        if isinstance(outcome, str):
            console.print(f"{head}: failed: {outcome}", style="red", markup=False)
        else:
            console.print(f"{head}  {_brief(outcome)}", markup=False)


def _brief(metrics: dict[str, float]) -> str:
    if "rate_rps" in metrics:
        return f"{metrics['rate_rps']:,.0f} requests/s, {metrics['cpu_us']:.1f} us CPU each"
    return ", ".join(f"{name} {value:.3g}" for name, value in metrics.items())


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(143)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        sys.exit(130)
