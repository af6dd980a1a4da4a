"""Disturb a running TherapyBridge in the middle of writes, and check that nothing is lost.

It runs with two workers on a PostgreSQL with durable settings, while clients write all the time.
Each disturbance is followed by a comparison of all writes with the database and the storage.

exit codes: 0 all goals met; 1 a goal missed; 2 an argument is wrong.
"""

import argparse
import random
import sys
from collections.abc import Iterator, Sequence

from campaigns.record import Campaign, list_trials, say
from campaigns.trials import rounds, run_trials
from tests.chaos.campaign import Trial, missed_goals, running
from tests.chaos.disturbances import ALL, READY_S, Disturbance
from tests.chaos.system import Part
from tests.chaos.table import TABLE, row

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
        return list_trials({name: each.title for name, each in ALL.items()})
    values = {"goals": {"ready_s": READY_S}, "seed": options.seed}
    return run_trials(CAMPAIGN, TABLE, run_all(options), row, options, **values)


def run_all(options: argparse.Namespace) -> Iterator[tuple[Disturbance, Trial]]:
    """Yield the trials in rounds of all disturbances, as many as begin before the deadline."""
    chance = random.Random(options.seed)
    for part in (None, *Part):  # each has another system
        wanted = [name for name in options.only or ALL if ALL[name].part is part]
        hint = part.missing() if part is not None and wanted else None
        if hint is not None:
            say(f"{', '.join(wanted)}: skipped, since {part} is not installed; {hint}")
        elif wanted:
            names = rounds(argparse.Namespace(**vars(options) | {"only": wanted}), ALL)
            yield from _run_with(part, names, options.seed, chance)


def _run_with(
    part: Part | None, names: Iterator[str], seed: int, chance: random.Random
) -> Iterator[tuple[Disturbance, Trial]]:
    """Yield the trials on systems with a part, or without any."""
    name = next(names, None)
    while name is not None:
        with running(seed, part) as campaign:
            is_usable = True
            while name is not None and is_usable:
                trial = Trial(name)
                try:
                    campaign.run(trial, ALL[name], chance)
                except TargetError as error:
                    trial.unexpected.append(str(error))
                    is_usable = False  # the next trial has a new system
                say(progress(trial))
                yield ALL[name], trial
                name = next(names, None)


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
