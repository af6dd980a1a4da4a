"""Which cause accounts for what a run found? Rules on the result's own data; pure."""

from straingauge.diagnose.cause import CAUSES, Cause, CauseId
from straingauge.diagnose.data import cause_of_read_back
from straingauge.diagnose.of_run import dangers, diagnose
from straingauge.diagnose.of_session import First, broke_first, overall

__all__ = [
    "CAUSES",
    "Cause",
    "CauseId",
    "First",
    "broke_first",
    "cause_of_read_back",
    "dangers",
    "diagnose",
    "overall",
]
