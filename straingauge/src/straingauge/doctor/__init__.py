"""Is all ready for a load test? Each check looks, and says what it saw and what to do about it."""

from straingauge.doctor.examine import examine
from straingauge.doctor.line import Line, Patient, exit_code

__all__ = ["Line", "Patient", "examine", "exit_code"]
