"""The causes that account for the failures of a run: rules on the result's own data, pure."""

from straingauge.diagnosis.cause import Cause, Evidence, FoundCause, cause
from straingauge.diagnosis.causes import CAUSES
from straingauge.diagnosis.causes.integrity import cause_of_failed_check
from straingauge.diagnosis.run import diagnose, warnings
from straingauge.diagnosis.session import FirstFailure, diagnose_session, first_failure
from straingauge.diagnosis.undecided import undecided

__all__ = [
    "CAUSES",
    "Cause",
    "Evidence",
    "FirstFailure",
    "FoundCause",
    "cause",
    "cause_of_failed_check",
    "diagnose",
    "diagnose_session",
    "first_failure",
    "undecided",
    "warnings",
]
