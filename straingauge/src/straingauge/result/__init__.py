"""The result of one run: composed from what was measured and seen, kept as one JSON file."""

from straingauge.result.compose import compose, conclude
from straingauge.result.environment import environment
from straingauge.result.file import SCHEMA_VERSION, NotWritten, read, without_secrets, write

__all__ = [
    "SCHEMA_VERSION",
    "NotWritten",
    "compose",
    "conclude",
    "environment",
    "read",
    "without_secrets",
    "write",
]
