"""One load from its specification to its outcome: log-in, warm-up, load, cooldown, verification."""

from straingauge.runner.database_plans import DatabasePlans
from straingauge.runner.explain import ExplainPass
from straingauge.runner.load_parts import load_parts
from straingauge.runner.load_runner import LoadRunner
from straingauge.runner.load_spec import DEFAULT_TIMEOUT_S, LoadSpec, as_mix
from straingauge.runner.login import Login, LoginCache
from straingauge.runner.memory_pass import MemoryPass
from straingauge.runner.outcome import FollowUp, Outcome, conclude_run, write_outcome
from straingauge.runner.received_traces import ReceivedTraces, export_advice
from straingauge.runner.service_database import ServiceDatabase
from straingauge.runner.tear_down import MAX_TEAR_DOWN_S
from straingauge.runner.warmup import WarmUp

__all__ = [
    "DEFAULT_TIMEOUT_S",
    "MAX_TEAR_DOWN_S",
    "DatabasePlans",
    "ExplainPass",
    "FollowUp",
    "LoadRunner",
    "LoadSpec",
    "Login",
    "LoginCache",
    "MemoryPass",
    "Outcome",
    "ReceivedTraces",
    "ServiceDatabase",
    "WarmUp",
    "as_mix",
    "conclude_run",
    "export_advice",
    "load_parts",
    "write_outcome",
]
