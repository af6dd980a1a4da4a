"""Disturb running load tests, and check that what was measured is readable."""

import argparse
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from campaigns.instrument.disturbances import ALL
from campaigns.instrument.judgement import Trial, missed_goals
from campaigns.instrument.table import as_markdown, header, line, row
from campaigns.record import Campaign, Record, say

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
        for each in ALL.values():
            say(f"{each.name:24}{each.title}")
        return 0
    record = Record()
    trials: dict[str, list[Trial]] = defaultdict(list)
    rows: list[dict[str, Any]] = []
    for trial in run_all(options):
        trials[trial.name].append(trial)
        say(progress(trial))
        rows = [row(ALL[name], trials[name]) for name in options.only or ALL if trials[name]]
        results = record.as_dict(times=options.times, seed=options.seed, disturbances=rows)
        # After each trial, so that an interrupted campaign leaves its results.
        CAMPAIGN.write(results, as_markdown(results), keep=options.keep)
    say(f"\n{header()}")
    for result in rows:
        say(line(result))
    return int(not rows or any(each["missed"] for each in rows))


def run_all(options: argparse.Namespace) -> Iterator[Trial]:
    """Yield the trials in rounds of all disturbances, as many as begin before the deadline."""
    deadline_s = time.monotonic() + 60 * options.minutes
    chance = random.Random(options.seed)
    for _ in range(options.times):
        for name in options.only or ALL:
            if time.monotonic() < deadline_s:
                yield ALL[name].run(chance)


def progress(trial: Trial) -> str:
    """Return a line about a finished trial."""
    missed = ", ".join(missed_goals(trial, ALL[trial.name].expected))
    counts = f"answered {trial.answered:4} counted {trial.counted:4} lost {trial.estimated:3}"
    ended = "hung" if trial.ended_s is None else f"ended after {trial.ended_s:.1f} s"
    return f"{trial.name:22}{counts}, {ended}" + (f", missed: {missed}" if missed else "")


if __name__ == "__main__":
    sys.exit(main())
