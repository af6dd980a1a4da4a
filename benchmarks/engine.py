"""How fast straingauge's engine is, and its user in Locust: `python benchmarks/engine.py`.

nginx is pinned to one core, each generator to another, and rounds are interleaved, so that
whatever else the machine does falls on all alike. Rates are what nginx counted; figures are medians
over the rounds, ratios are medians of the ratio within each round. The machine should be idle.

exit codes: 0 all is as required; 1 a figure is short, or a generator got errors; 2 wrong usage;
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

import pages
import peers
import table
from book import Page
from cases import CASES, CONNECTIONS, GROUPS, Bench, Case
from generators import AB, HEY, K6, K9, LOCUST, WRK, Order
from nginx import MOST_CONNECTIONS, SPARE_FILES, serving
from output import add_keep_option, results_folder
from rich.console import Console
from sample import Failed

PROGRAMS = {LOCUST: "locust", K6: "k6", K9: "k9", HEY: "hey", WRK: "wrk", AB: "ab"}


def main() -> int:
    """Install, measure, show, keep; 1 when anything is not as required."""
    given = _arguments()
    signal.signal(signal.SIGTERM, _leave)  # so that everything started is ended
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` sets it to be ignored
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    target_core, core = _cores()
    _allow_files()
    lacking = peers.install(console.print)
    cases = [case for case in CASES if case.key in given.only]
    book = [_page(case, lacking) for case in cases]
    started = datetime.now(UTC).isoformat(timespec="seconds")
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="straingauge-bench-") as name:
        folder = Path(name)
        (folder / "upload.bin").write_bytes(secrets.token_bytes(pages.UPLOAD_BYTES))
        with serving(folder, target_core) as target:
            bench = Bench(
                target, core, given.seconds, lambda seconds: Order(target.url, seconds, folder)
            )
            for page in book:
                _measure(page, bench, given.rounds if page.case.repeated else 1, console)
    for page in book:
        table.show(console, page)
    for file, pages_kept in _kept(given, book).items():
        result = {
            "started": started,
            "machine": _machine() | {"load_before": load_before},
            "versions": peers.versions(),
            "rounds": given.rounds,
            "window_s": given.seconds,
            "cases": {page.case.key: page.to_json() for page in pages_kept},
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(result, indent=2) + "\n")
        console.print(f"\nkept in {file}")
    short = [page.case.key for page in book if not page.good]
    console.print(f"\nnot as required: {', '.join(short)}" if short else "\nall is as required")
    return 1 if short else 0


def _kept(given: argparse.Namespace, book: list[Page]) -> dict[Path, list[Page]]:
    """What is kept in which file: all of it where one is named, else each group measured whole."""
    if given.output:
        return {given.output: book}
    found = {}
    for name, cases in GROUPS.items():
        keys = [case.key for case in cases]
        if set(keys) <= set(given.only):
            found[results_folder(keep=given.keep) / f"{name}.json"] = [
                page for page in book if page.case.key in keys
            ]
    return found


def _arguments() -> argparse.Namespace:
    lines = "\n".join(f"  {case.key:13} {case.title}" for case in CASES)
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\nworks:\n{lines}\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        metavar="WORKS",
        type=_works,
        default=[case.key for case in CASES],
        help="these works, as a list: get,mix; engine or locust for all of their works"
        " (default: all of them)",
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
        help="keep the figures here (default: of engine or locust as a whole, in build/benchmarks)",
    )
    add_keep_option(parser)
    return parser.parse_args()


def _works(text: str) -> list[str]:
    groups = {name: [case.key for case in cases] for name, cases in GROUPS.items()}
    known = groups | {case.key: [case.key] for case in CASES}
    found: list[str] = []
    for name in text.split(","):
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        found += known[name]
    return found


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def _cores() -> tuple[int, int]:
    """The target's core and the generators'; this process looks on from the target's."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("two cores are needed: one for the target, one for the generators")
    os.sched_setaffinity(0, {cores[0]})
    return cores[0], cores[1]


def _allow_files() -> None:
    """As many open files as nginx and a generator of 10,000 connections need."""
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


def _page(case: Case, lacking: dict[str, str]) -> Page:
    page = Page(case)
    for name in case.takers:
        if (why := lacking.get(PROGRAMS.get(name, ""))) is not None:
            page.missing[name] = why
    return page


def _measure(page: Page, bench: Bench, rounds: int, console: Console) -> None:
    """Every generator in turn, round by round."""
    for number in range(1, rounds + 1):
        for name, take in page.case.takers.items():
            if name in page.missing or name in page.failed:
                continue
            head = f"{page.case.key}, round {number} of {rounds}: {name}"
            with console.status(head):
                try:
                    figures = take(bench)
                except Failed as error:
                    page.fail(name, str(error))
                    console.print(f"{head}: no figure: {error}", style="red", markup=False)
                    continue
            page.rounds.setdefault(name, []).append(figures)
            console.print(f"{head}  {_brief(figures)}", markup=False)


def _brief(figures: dict[str, float]) -> str:
    if "rate_rps" in figures:
        return f"{figures['rate_rps']:,.0f} requests/s, {figures['cpu_us']:.1f} us CPU each"
    return ", ".join(f"{name} {value:.3g}" for name, value in figures.items())


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
        print("interrupted: nothing is kept", file=sys.stderr)
        sys.exit(130)
