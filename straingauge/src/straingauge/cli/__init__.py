"""The `straingauge` command: thin ways into the package, one module for each command.

What a command needs is imported when it runs, so that `--help` is quick.
"""

from straingauge.cli import (
    ab,
    baseline,
    capacity,
    comment,
    compare,
    doctor,
    explain,
    export,
    history,
    init,
    mcp,
    replay,
    report,
    run,
    schema,
    serve,
)
from straingauge.cli.group import main

__all__ = [
    "ab",
    "baseline",
    "capacity",
    "comment",
    "compare",
    "doctor",
    "explain",
    "export",
    "history",
    "init",
    "main",
    "mcp",
    "replay",
    "report",
    "run",
    "schema",
    "serve",
]
