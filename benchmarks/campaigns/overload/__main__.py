"""Overload TherapyBridge with connections, log-ins and uploads, and check that it lives on.

The service runs as `straingauge serve` starts it, with one worker. Rate limits are out of reach.
"""

import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from campaigns.overload.service import running
from campaigns.overload.trial import STORMS, Trial, missed_goals, row, run
from campaigns.record import Campaign, Record, aligned, caption, say

TIMES = 3
LIMIT_MINUTES = 30.0
CAMPAIGN = Campaign(
    name="overload",
    page="docs/campaigns/overload.md",
    purpose=__doc__.partition("\n\n")[0],
    trials="storms",
    example="--only log-ins --times 1",
)
TITLES = ("storm", "n", "probes", "calm ms", "p50 ms", "max ms", "memory MB", "left")
WIDTHS = (14, 3, 8, 9, 9, 9, 11, 6)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the storms, print the table and write the results."""
    options = CAMPAIGN.parser(STORMS, times=TIMES, minutes=LIMIT_MINUTES).parse_args(arguments)
    if options.list:
        for each in STORMS.values():
            say(f"{each.name:14}{each.clients:,} {each.title}")
        return 0
    record, deadline_s = Record(), time.monotonic() + 60 * options.minutes
    wanted = [name for _ in range(options.times) for name in options.only or STORMS]
    found: dict[str, list[Trial]] = {}
    rows: list[dict[str, Any]] = []
    with running() as service:
        for name in wanted:
            if time.monotonic() >= deadline_s:
                say(f"not all {len(wanted)} storms within the limit of {options.minutes:g} minutes")
                break
            trial = run(service, STORMS[name])
            found.setdefault(name, []).append(trial)
            missed = ", ".join(missed_goals(trial))
            say(f"{name:14}{missed or 'all goals met'}")
            for reason in [*trial.failures, *trial.left][:5]:
                say(f"  {reason}")
            rows = [row(STORMS[each], trials) for each, trials in found.items()]
            results = record.as_dict(times=options.times, storms=rows)
            # After each storm, so that an interrupted campaign leaves its results.
            CAMPAIGN.write(results, as_markdown(results), keep=options.keep)
    say(f"\n{aligned(TITLES, WIDTHS)}")
    for result in rows:
        say(aligned([result["name"], *_cells(result)], WIDTHS))
        if result["missed"]:
            say(f"  missed: {_missed(result)}")
    return int(not rows or any(each["missed"] for each in rows))


def as_markdown(results: Mapping[str, Any]) -> str:
    """Return the table for the documentation."""
    lines = [
        caption(dict(results)),
        "",
        "| storm | n | probes | `/live` before: median | during: median | during: longest |"
        " memory | left behind | outcomes | goals missed |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|---|",
    ]
    for result in results["storms"]:
        trials, probes, calm, middle, longest, memory, left = _cells(result)
        outcomes = ", ".join(f"{count} x {name}" for name, count in result["outcomes"].items())
        title = f"{result['title']} (`{result['name']}`)"
        times = f"{calm} ms | {middle} ms | {longest}{'' if longest == 'failed' else ' ms'}"
        cells = [title, trials, probes, times, f"+{memory} MB", left, outcomes]
        lines.append(f"| {' | '.join(cells)} | {_missed(result) or 'none'} |")
    return "\n".join(lines)


def _cells(result: Mapping[str, Any]) -> list[str]:
    live = result["live_ms"]
    return [
        str(result["trials"]),
        str(result["probes"]),
        str(result["calm_ms"]["p50"]),
        str(live["p50"]) if live else "-",
        "failed" if not live or live["max"] is None else str(live["max"]),
        str(result["growth_mb"]),
        str(len(result["left"])),
    ]


def _missed(result: Mapping[str, Any]) -> str:
    goals = result["missed"].items()
    return ", ".join(f"{goal} {count} of {result['trials']}" for goal, count in goals)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what was started
    sys.exit(main())
