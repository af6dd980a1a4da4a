"""Disturb running load tests, and check that what was measured is readable."""

import argparse
import random
import sys
from collections.abc import Iterator, Sequence

from campaigns.instrument.disturbances import ALL, Disturbance
from campaigns.instrument.judgement import Trial, missed_goals
from campaigns.instrument.table import TABLE, row
from campaigns.record import Campaign, list_trials, say
from campaigns.trials import rounds, run_trials

TIMES = 3
LIMIT_MINUTES = 30.0
CAMPAIGN = Campaign(
    name="chaos-instrument",
    page="docs/campaigns/chaos-instrument.md",
    purpose=(__doc__ or "").partition("\n\n")[0],
    trials="disturbances",
    example="--only generator-kill,worker-term --times 3",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials, print the table and write the results."""
    options = CAMPAIGN.parser(ALL, times=TIMES, minutes=LIMIT_MINUTES).parse_args(arguments)
    if options.list:
        return list_trials({name: each.title for name, each in ALL.items()})
    return run_trials(CAMPAIGN, TABLE, run_all(options), row, options, seed=options.seed)


def run_all(options: argparse.Namespace) -> Iterator[tuple[Disturbance, Trial]]:
    """Yield the trials in rounds of all disturbances, as many as begin before the deadline."""
    chance = random.Random(options.seed)
    for name in rounds(options, ALL):
        trial = ALL[name].run(chance)
        say(progress(trial))
        yield ALL[name], trial


def progress(trial: Trial) -> str:
    """Return a line about a finished trial."""
    missed = ", ".join(missed_goals(trial, ALL[trial.name].expected))
    counts = f"answered {trial.answered:4} counted {trial.counted:4} lost {trial.estimated:3}"
    ended = "hung" if trial.ended_s is None else f"ended after {trial.ended_s:.1f} s"
    return f"{trial.name:22}{counts}, {ended}" + (f", missed: {missed}" if missed else "")


if __name__ == "__main__":
    sys.exit(main())
