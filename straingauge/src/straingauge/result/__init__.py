"""The result of one run: composed from what was measured and seen, kept as one JSON file."""

from straingauge.result.compose import compose, conclude
from straingauge.result.environment import environment
from straingauge.result.file import SCHEMA_VERSION, NotWritten, without_secrets, write
from straingauge.result.reading import read, read_all, read_session
from straingauge.result.session import summarize, write_session

__all__ = [
    "SCHEMA_VERSION",
    "NotWritten",
    "compose",
    "conclude",
    "environment",
    "read",
    "read_all",
    "read_session",
    "summarize",
    "without_secrets",
    "write",
    "write_session",
]
