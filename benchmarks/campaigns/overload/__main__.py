"""Overload TherapyBridge with connections, log-ins and uploads, and check that it lives on.

The service runs as `straingauge serve` starts it, with one worker. Rate limits are out of reach.
"""

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence

from campaigns.overload.service import running
from campaigns.overload.trial import STORMS, Storm, Trial, missed_goals, row, run
from campaigns.record import Campaign, list_trials, say
from campaigns.trials import Row, Table, rounds, run_trials

TIMES = 3
LIMIT_MINUTES = 30.0
CAMPAIGN = Campaign(
    name="overload",
    page="docs/campaigns/overload.md",
    purpose=__doc__.partition("\n\n")[0],
    trials="storms",
    example="--only log-ins --times 1",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the storms, print the table and write the results."""
    options = CAMPAIGN.parser(STORMS, times=TIMES, minutes=LIMIT_MINUTES).parse_args(arguments)
    if options.list:
        return list_trials(
            {name: f"{each.clients:,} {each.title}" for name, each in STORMS.items()}
        )
    return run_trials(CAMPAIGN, TABLE, run_all(options), row, options)


def run_all(options: argparse.Namespace) -> Iterator[tuple[Storm, Trial]]:
    """Yield the storms by name."""
    with running() as service:
        for name in rounds(options, STORMS):
            trial = run(service, STORMS[name])
            say(f"{name:14}{', '.join(missed_goals(trial)) or 'all goals met'}")
            for reason in [*trial.failures, *trial.left][:5]:
                say(f"  {reason}")
            yield STORMS[name], trial


def _cells(result: Row) -> list[str]:
    live = result["live_ms"]
    return [
        result["name"],
        str(result["trials"]),
        str(result["probes"]),
        str(result["calm_ms"]["p50"]),
        str(live["p50"]) if live else "-",
        "failed" if not live or live["max"] is None else str(live["max"]),
        str(result["growth_mb"]),
        str(len(result["left"])),
    ]


def _page_cells(result: Row) -> list[str]:
    _, trials, probes, calm, middle, longest, memory, left = _cells(result)
    outcomes = ", ".join(f"{count} x {name}" for name, count in result["outcomes"].items())
    longest += "" if longest == "failed" else " ms"
    times = (f"{calm} ms", f"{middle} ms", longest)
    return [trials, probes, *times, f"+{memory} MB", left, outcomes]


TABLE = Table(
    "storms",
    ("storm", "n", "probes", "calm ms", "p50 ms", "max ms", "memory MB", "left"),
    (14, 3, 8, 9, 9, 9, 11, 6),
    _cells,
    (
        *("n", "probes", "`/live` before: median", "during: median", "during: longest"),
        *("memory", "left behind", "outcomes"),
    ),
    "rrrrrrrl",
    _page_cells,
)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what was started
    sys.exit(main())
