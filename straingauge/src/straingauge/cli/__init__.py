"""The `straingauge` command: thin ways into the package, one module for each command.

What a command needs is imported when it runs, so that `--help` is quick.
"""

from straingauge.cli import compare, doctor, export, report, run, stand
from straingauge.cli.group import main

__all__ = ["compare", "doctor", "export", "main", "report", "run", "stand"]
