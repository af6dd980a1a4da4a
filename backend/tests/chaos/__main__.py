"""Disturb a running TherapyBridge in the middle of writes, and check that nothing is lost.

It runs with two workers on a PostgreSQL with durable settings, while clients write all the time.
Each disturbance is followed by a comparison of all writes with the database and the storage.

exit codes: 0 all goals met; 1 a goal missed; 2 an argument is wrong.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from campaigns.record import Campaign, Record, say
from tests.chaos.campaign import Trial, missed_goals, running
from tests.chaos.disturbances import ALL, READY_S
from tests.chaos.table import as_markdown, header, line, row

from straingauge import TargetError

TIMES = 20
LIMIT_MINUTES = 60.0
CAMPAIGN = Campaign(
    name="chaos",
    page="docs/therapybridge/chaos.md",
    purpose=__doc__.partition("\n\n")[0],
    trials="disturbances",
    example="--only worker --times 3",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials, print the table and write the results."""
    options = parse(arguments)
    if options.list:
        for each in ALL.values():
            say(f"{each.name:16}{each.title}")
        return 0
    record = Record()
    deadline_s = time.monotonic() + 60 * options.minutes
    trials: list[Trial] = []
    rows: list[dict[str, Any]] = []
    for trial in run_all(options, deadline_s):
        trials.append(trial)
        say(progress(trial))
        rows = [
            row(name, found)
            for name in options.only or ALL
            if (found := [each for each in trials if each.name == name])
        ]
        results = record.as_dict(
            goals={"ready_s": READY_S}, times=options.times, seed=options.seed, disturbances=rows
        )
        # After each trial, so that an interrupted campaign leaves its results.
        CAMPAIGN.write(results, as_markdown(results), keep=options.keep)
    say(f"\n{header()}")
    for result in rows:
        say(line(result))
    if len(trials) < options.times * len(options.only or ALL):
        say(f"{len(trials)} trials within the limit of {options.minutes:g} minutes")
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


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments."""
    return CAMPAIGN.parser(ALL, times=TIMES, minutes=LIMIT_MINUTES).parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
