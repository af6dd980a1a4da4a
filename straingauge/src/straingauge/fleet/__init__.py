"""Many processes, one load: one start instant, one schedule shared out, one merged record."""

from straingauge.fleet.member import Fleet, LoadBroken, Member
from straingauge.fleet.messages import FleetError, LostProcess, Merged, Report, Seat
from straingauge.fleet.rendezvous import Rendezvous, Watcher
from straingauge.fleet.solo import Solo

__all__ = [
    "Fleet",
    "FleetError",
    "LoadBroken",
    "LostProcess",
    "Member",
    "Merged",
    "Rendezvous",
    "Report",
    "Seat",
    "Solo",
    "Watcher",
]
