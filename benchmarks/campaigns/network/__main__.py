"""Disturb the network between straingauge and a service, and check what it reports.

Both run in network namespaces that are connected by a virtual cable. Each trial is a load of 14 s,
and for 5 s of it the network is cut, loses packets, or resets connections.
"""

import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from campaigns.network import link
from campaigns.network.faults import ALL
from campaigns.network.goals import missed_goals
from campaigns.network.table import as_markdown, header, line, row
from campaigns.network.trial import Load, run_load
from campaigns.record import Campaign, Record, say

TIMES = 3
LIMIT_MINUTES = 45.0
CAMPAIGN = Campaign(
    name="network",
    page="docs/campaigns/network.md",
    purpose=__doc__.partition("\n\n")[0],
    trials="faults",
    example="--only loss,delay --times 3",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials, print the table and write the results."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = CAMPAIGN.parser(ALL, times=TIMES, minutes=LIMIT_MINUTES).parse_args(arguments)
    if options.list:
        for each in ALL.values():
            say(f"{each.name:18}{each.title}")
        return 0
    if not link.is_inside():
        if why := link.missing():
            sys.stderr.write(f"{CAMPAIGN.command}: {why}\n")
            return 2
        link.enter("campaigns.network", arguments)
    record, deadline_s = Record(), time.monotonic() + 60 * options.minutes
    wanted = [name for _ in range(options.times) for name in options.only or ALL]
    found: dict[str, list[Load]] = {}
    rows: list[dict[str, Any]] = []
    with link.Link() as cable:
        for name in wanted:
            if time.monotonic() >= deadline_s:
                say(f"not all {len(wanted)} trials within the limit of {options.minutes:g} minutes")
                break
            fault = ALL[name]
            load = run_load(cable, fault.load, fault.disturb, fault.proxy)
            found.setdefault(name, []).append(load)
            missed = ", ".join(missed_goals(fault, load))
            say(f"{name:18}{missed or 'all goals met'}")
            if missed:
                say(load.output)
            rows = [row(ALL[each], loads) for each, loads in found.items()]
            results = record.as_dict(times=options.times, faults=rows)
            # After each trial, so that an interrupted campaign leaves its results.
            CAMPAIGN.write(results, as_markdown(results), keep=options.keep)
    say(f"\n{header()}")
    for result in rows:
        say(line(result))
    return int(not rows or any(each["missed"] for each in rows))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what was started
    sys.exit(main())
