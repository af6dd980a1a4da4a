"""Disturb a running TherapyBridge in the middle of writes, and check that nothing is lost.

It runs with two workers on a PostgreSQL with durable settings, while clients write all the time.
Each disturbance is followed by a comparison of all writes with the database and the storage.

exit codes: 0 all goals met; 1 a goal missed; 2 an argument is wrong.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from service import BACKEND
from tests.chaos.campaign import Trial, missed_goals, running
from tests.chaos.disturbances import ALL
from tests.chaos.table import as_json, as_markdown, header, line, machine, row

from straingauge import TargetError

TIMES = 20
LIMIT_MINUTES = 60.0
COMMITTED = BACKEND.parent / "benchmarks/results/chaos.json"
BUILD = BACKEND.parent / "build/chaos.json"
PAGE = BACKEND.parent / "docs/therapybridge/chaos.md"
BEGIN, END = "<!-- results: make chaos ARGS=--keep -->\n", "\n<!-- end of results -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials, print the table and write the results."""
    options = parse(arguments)
    if options.list:
        for each in ALL.values():
            say(f"{each.name:16}{each.title}")
        return 0
    began_s, load = time.monotonic(), os.getloadavg()[0]
    trials: list[Trial] = []
    rows: list[dict[str, Any]] = []
    for trial in run_all(options, began_s + 60 * options.limit):
        trials.append(trial)
        say(progress(trial))
        rows = [
            row(name, found)
            for name in options.only or ALL
            if (found := [each for each in trials if each.name == name])
        ]
        values = {
            "times": options.times,
            "seed": options.seed,
            "machine": machine(load),
            "minutes": round((time.monotonic() - began_s) / 60, 1),
        }
        # After each trial, so that an interrupted campaign leaves its results.
        write(as_json(rows, **values), keep=options.keep)
    say(f"\n{header()}")
    for result in rows:
        say(line(result))
    if len(trials) < options.times * len(options.only or ALL):
        say(f"{len(trials)} trials within the limit of {options.limit:g} minutes")
    return int(not rows or any(each["missed"] for each in rows))


def run_all(options: argparse.Namespace, deadline_s: float) -> Iterator[Trial]:
    """Yield the trials in rounds of all disturbances, as many as begin before the deadline."""
    chance = random.Random(options.seed)
    names = [name for _ in range(options.times) for name in options.only or ALL]
    while names and time.monotonic() < deadline_s:
        with running(options.seed) as campaign:
            is_usable = True
            while names and is_usable and time.monotonic() < deadline_s:
                trial = Trial(names.pop(0))
                try:
                    campaign.run(trial, ALL[trial.name], chance)
                except TargetError as error:
                    trial.unexpected.append(str(error))
                    is_usable = False  # the next trial has a new system
                yield trial


def progress(trial: Trial) -> str:
    """Return a line about a finished trial."""
    ready = "not ready" if trial.ready_s is None else f"ready after {trial.ready_s:.1f} s"
    missed = ", ".join(missed_goals(ALL[trial.name], trial))
    return f"{trial.name:16}{ready}" + (f", missed: {missed}" if missed else "")


def write(results: dict[str, Any], *, keep: bool) -> None:
    """Write the results; with `keep` to the committed files."""
    path = COMMITTED if keep else BUILD
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n")
    if keep:
        PAGE.write_text(with_table(PAGE.read_text(), as_markdown(results)))


def with_table(page: str, table: str) -> str:
    """Replace the table of a page."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}{table}{END}{rest.partition(END)[2]}"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments."""
    parser = argparse.ArgumentParser(
        prog="make chaos ARGS=...",
        description=(__doc__ or "").partition("\n\n")[0],
        epilog='example: make chaos ARGS="--only worker --times 3"',
    )
    parser.add_argument(
        "--only",
        type=names,
        metavar="NAMES",
        help="disturbances, separated by commas (default: all)",
    )
    parser.add_argument(
        "--times", type=count, default=TIMES, help="trials of each (default: %(default)s)"
    )
    parser.add_argument(
        "--limit",
        type=minutes,
        default=LIMIT_MINUTES,
        metavar="MINUTES",
        help="no trial begins later (default: %(default)g)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of the random moments (default: %(default)s)"
    )
    parser.add_argument("--list", action="store_true", help="list the disturbances")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="update benchmarks/results/chaos.json and the page (default: build/chaos.json)",
    )
    return parser.parse_args(arguments)


def names(text: str) -> list[str]:
    """Parse names of disturbances."""
    found = [name.strip() for name in text.split(",")]
    for name in found:
        if name not in ALL:
            raise argparse.ArgumentTypeError(
                f"{name!r} is not a disturbance; choose from {', '.join(ALL)}"
            )
    return found


def count(text: str) -> int:
    """Parse a number of trials."""
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1000")
    return int(text)


def minutes(text: str) -> float:
    """Parse a time limit."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1440:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes above 0 up to 1440")
    return value


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
