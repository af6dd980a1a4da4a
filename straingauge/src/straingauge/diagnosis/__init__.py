"""Which cause accounts for what a run found? Rules on the result's own data; pure."""

from straingauge.diagnosis.cause import CAUSES, Cause, CauseId
from straingauge.diagnosis.integrity import cause_of_read_back
from straingauge.diagnosis.run import dangers, diagnose
from straingauge.diagnosis.session import First, broke_first, overall

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
