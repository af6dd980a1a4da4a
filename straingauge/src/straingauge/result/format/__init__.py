"""The format of result files: reading, writing and validating them.

It needs nothing of the engine: a result can be read without running a load.
"""

from straingauge.result.format.read import read, read_all, read_document, read_kind, read_session
from straingauge.result.format.write import (
    SCHEMA_VERSION,
    WriteError,
    write,
    write_json,
    write_lines,
)

__all__ = [
    "SCHEMA_VERSION",
    "WriteError",
    "read",
    "read_all",
    "read_document",
    "read_kind",
    "read_session",
    "write",
    "write_json",
    "write_lines",
]
