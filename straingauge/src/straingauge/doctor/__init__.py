"""Checks before a load test, each with a message and advice."""

from straingauge.doctor.check_result import CheckContext, CheckResult, exit_code
from straingauge.doctor.checks import run_checks

__all__ = ["CheckContext", "CheckResult", "exit_code", "run_checks"]
