"""Speed of straingauge's engine and of its Locust user: `python benchmarks/engine.py`.

nginx is pinned to one core and each generator to another. Rounds are interleaved, so that other
work of the machine affects all generators alike. nginx counts the rates. Values are medians over
the rounds; ratios are medians of the ratio within each round. The machine should be idle.

exit codes: 0 all requirements met; 1 a requirement missed or a generator failed; 2 wrong usage;
130 interrupted.
"""

import argparse
import json
import os
import platform
import resource
import secrets
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import payloads
import peers
import table
from cases import CASES, CONNECTIONS, GROUPS, Bench, Case
from generators import AB, HEY, K6, K9, LOCUST, WRK, RunArguments
from measurement import MeasurementError
from nginx import MOST_CONNECTIONS, SPARE_FILES, serving
from output import add_keep_option, results_folder
from results import CaseResult
from rich.console import Console

PROGRAMS = {LOCUST: "locust", K6: "k6", K9: "k9", HEY: "hey", WRK: "wrk", AB: "ab"}


def main() -> int:
    """Install, measure, print and write; return 1 if a requirement is missed."""
    options = _arguments()
    signal.signal(signal.SIGTERM, _leave)  # ends everything that was started
    # A process that a shell starts with `&` ignores SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    target_core, core = _cores()
    _allow_files()
    missing_programs = peers.install(console.print)
    cases = [case for case in CASES if case.key in options.only]
    results = [_case_result(case, missing_programs) for case in cases]
    started = datetime.now(UTC).isoformat(timespec="seconds")
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="straingauge-bench-") as name:
        folder = Path(name)
        (folder / "upload.bin").write_bytes(secrets.token_bytes(payloads.UPLOAD_BYTES))
        with serving(folder, target_core) as target:
            bench = Bench(
                target,
                core,
                options.seconds,
                lambda seconds: RunArguments(target.url, seconds, folder),
            )
            for result in results:
                _measure(result, bench, options.rounds if result.case.is_repeated else 1, console)
    for result in results:
        table.show(console, result)
    for file, kept in _kept(options, results).items():
        document = {
            "started": started,
            "machine": _machine() | {"load_before": load_before},
            "versions": peers.versions(),
            "rounds": options.rounds,
            "window_s": options.seconds,
            "cases": {result.case.key: result.to_json() for result in kept},
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document, indent=2) + "\n")
        console.print(f"\nwritten to {file}")
    missed = [result.case.key for result in results if not result.passed]
    console.print(
        f"\nrequirements missed: {', '.join(missed)}" if missed else "\nall requirements met"
    )
    return 1 if missed else 0


def _kept(options: argparse.Namespace, results: list[CaseResult]) -> dict[Path, list[CaseResult]]:
    """Return the results for each file: all for a named file, else each group that is complete."""
    if options.output:
        return {options.output: results}
    found = {}
    for name, cases in GROUPS.items():
        keys = [case.key for case in cases]
        if set(keys) <= set(options.only):
            found[results_folder(keep=options.keep) / f"{name}.json"] = [
                result for result in results if result.case.key in keys
            ]
    return found


def _arguments() -> argparse.Namespace:
    lines = "\n".join(f"  {case.key:13} {case.title}" for case in CASES)
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\ncases:\n{lines}\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        metavar="CASES",
        type=_case_keys,
        default=[case.key for case in CASES],
        help="a list of cases, such as get,mix, or the groups engine and locust (default: all)",
    )
    parser.add_argument("--rounds", type=_positive, default=3, help="rounds (default: 3)")
    parser.add_argument(
        "--seconds",
        type=_positive,
        default=5,
        help="length of each measurement; four times that for the open model (default: 5)",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help="write the results here (default: each complete group to build/benchmarks)",
    )
    add_keep_option(parser)
    return parser.parse_args()


def _case_keys(text: str) -> list[str]:
    groups = {name: [case.key for case in cases] for name, cases in GROUPS.items()}
    known = groups | {case.key: [case.key] for case in CASES}
    found: list[str] = []
    for name in text.split(","):
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(known)}")
        found += known[name]
    return found


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def _cores() -> tuple[int, int]:
    """Return the cores of the target and of the generators; this process runs on the target's."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("two cores are needed: one for the target, one for the generators")
    os.sched_setaffinity(0, {cores[0]})
    return cores[0], cores[1]


def _allow_files() -> None:
    """Allow the open files that nginx and a generator of 10,000 connections need."""
    wanted = MOST_CONNECTIONS + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, OSError) as error:
        raise SystemExit(
            f"{CONNECTIONS:,} connections need {wanted} open files, {hard} are allowed;"
            f" run: ulimit -n {wanted}"
        ) from error


def _case_result(case: Case, missing_programs: dict[str, str]) -> CaseResult:
    result = CaseResult(case)
    for name in case.measurements:
        if (reason := missing_programs.get(PROGRAMS.get(name, ""))) is not None:
            result.skipped[name] = reason
    return result


def _measure(result: CaseResult, bench: Bench, rounds: int, console: Console) -> None:
    """Measure all generators in turn, round by round."""
    for number in range(1, rounds + 1):
        for name, measure in result.case.measurements.items():
            if name in result.skipped or name in result.failed:
                continue
            head = f"{result.case.key}, round {number} of {rounds}: {name}"
            with console.status(head):
                try:
                    metrics = measure(bench)
                except MeasurementError as error:
                    result.fail(name, str(error))
                    console.print(f"{head}: failed: {error}", style="red", markup=False)
                    continue
            result.rounds.setdefault(name, []).append(metrics)
            console.print(f"{head}  {_brief(metrics)}", markup=False)


def _brief(metrics: dict[str, float]) -> str:
    if "rate_rps" in metrics:
        return f"{metrics['rate_rps']:,.0f} requests/s, {metrics['cpu_us']:.1f} us CPU each"
    return ", ".join(f"{name} {value:.3g}" for name, value in metrics.items())


def _machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.release(),
        "python": platform.python_version(),
    }


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(143)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        sys.exit(130)
