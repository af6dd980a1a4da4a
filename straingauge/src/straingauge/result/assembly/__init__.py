"""Results from the measurements of a load, and session summaries from results."""

from straingauge.result.assembly.compose import compose
from straingauge.result.assembly.conclude import conclude
from straingauge.result.assembly.environment import environment
from straingauge.result.assembly.session import summarize, write_session

__all__ = ["compose", "conclude", "environment", "summarize", "write_session"]
