"""Is all ready for a load test? Each check looks, and says what it saw and what to do about it."""

from straingauge.doctor.check_result import CheckContext, CheckResult, exit_code
from straingauge.doctor.checks import run_checks

__all__ = ["CheckContext", "CheckResult", "exit_code", "run_checks"]
