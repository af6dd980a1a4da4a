"""Disturb the network between straingauge and a service, and check what it reports.

Both run in network namespaces that are connected by a virtual cable. Each trial is a load of 14 s,
and for 5 s of it the network is cut, loses packets, or resets connections.
"""

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence

from campaigns.namespaces import enter, is_inside
from campaigns.network import link
from campaigns.network.faults import ALL, Fault
from campaigns.network.goals import missed_goals
from campaigns.network.table import TABLE, row
from campaigns.network.trial import Load, run_load
from campaigns.record import Campaign, list_trials, say
from campaigns.trials import rounds, run_trials

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
        return list_trials({name: each.title for name, each in ALL.items()})
    if not is_inside():
        if why := link.missing():
            sys.stderr.write(f"{CAMPAIGN.command}: {why}\n")
            return 2
        enter(link.KINDS, "campaigns.network", arguments)
    return run_trials(CAMPAIGN, TABLE, run_all(options), row, options)


def run_all(options: argparse.Namespace) -> Iterator[tuple[Fault, Load]]:
    """Yield the loads in rounds of all faults, as many as begin before the deadline."""
    with link.Link() as cable:
        for name in rounds(options, ALL):
            fault = ALL[name]
            load = run_load(cable, fault.load, fault.disturb, fault.proxy)
            missed = ", ".join(missed_goals(fault, load))
            say(f"{name:18}{missed or 'all goals met'}")
            if missed:
                say(load.output)
            yield fault, load


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what was started
    sys.exit(main())
