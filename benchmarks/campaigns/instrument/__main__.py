"""Disturb running load tests, and check that what was measured is readable."""

import argparse
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence

from campaigns.instrument.disturbances import ALL, Disturbance
from campaigns.instrument.judgement import Trial, missed_goals
from campaigns.instrument.surroundings import KINDS, PROBE
from campaigns.instrument.table import TABLE, row
from campaigns.namespaces import enter, is_inside, refusal
from campaigns.record import Campaign, list_trials, say
from campaigns.trials import rounds, run_trials

TIMES = 3
LIMIT_MINUTES = 45.0
CAMPAIGN = Campaign(
    name="chaos-instrument",
    page="docs/campaigns/chaos-instrument.md",
    purpose=(__doc__ or "").partition("\n\n")[0],
    trials="disturbances",
    example="--only generator-kill,worker-term --times 3",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials, print the table and write the results."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = CAMPAIGN.parser(ALL, times=TIMES, minutes=LIMIT_MINUTES).parse_args(arguments)
    if options.list:
        return list_trials({name: each.title for name, each in ALL.items()})
    if is_inside():
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    elif why := refusal(KINDS, PROBE):
        say(f"without the failures of file systems, addresses and names: {why}")
        options.only = [name for name in options.only or ALL if not ALL[name].needs_namespaces]
        if not options.only:
            return 2
    else:
        enter(KINDS, "campaigns.instrument", arguments)
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
