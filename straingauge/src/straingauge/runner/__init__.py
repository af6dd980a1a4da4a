"""One load from its specification to its outcome: log-in, warm-up, load, cooldown, verification."""

from straingauge.runner.load_runner import LoadRunner
from straingauge.runner.load_spec import LoadSpec, as_mix
from straingauge.runner.login import Login, LoginCache
from straingauge.runner.outcome import FollowUp, Outcome, conclude_run, write_outcome
from straingauge.runner.warmup import WarmUp

__all__ = [
    "FollowUp",
    "LoadRunner",
    "LoadSpec",
    "Login",
    "LoginCache",
    "Outcome",
    "WarmUp",
    "as_mix",
    "conclude_run",
    "write_outcome",
]
