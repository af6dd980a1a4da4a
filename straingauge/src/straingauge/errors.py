"""The errors that straingauge raises.

    StraingaugeError
    ├── UsageError        2    wrong usage or configuration
    ├── TargetError       3    target unreachable, or its setup failed
    ├── InvalidRun        4    measured, but no conclusion can be drawn
    ├── CriticalVerdict   1    a critical threshold was crossed
    └── Interrupted     130    stopped by the user

The numbers are the exit codes of the command line.
"""

from typing import ClassVar

from straingauge.redaction import redact


class StraingaugeError(Exception):
    """Base class of all errors; secrets in their texts are hidden.

    Args:
        message: What is wrong, in one sentence.
        hint: What to try next, usually a command.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(redact(message))
        self.hint = redact(hint) if hint else hint

    @property
    def with_hint(self) -> str:
        """The message, and on a second line the hint if there is one."""
        return f"{self}\n  try: {self.hint}" if self.hint else str(self)


class UsageError(StraingaugeError):
    """Wrong usage or configuration; raised before anything is sent."""

    exit_code = 2


class TargetError(StraingaugeError):
    """The target cannot be reached or could not be set up."""

    exit_code = 3


class InvalidRun(StraingaugeError):
    """The run was measured, but no conclusion about the target can be drawn."""

    exit_code = 4


class CriticalVerdict(StraingaugeError):
    """A critical threshold was crossed."""

    exit_code = 1


class Interrupted(StraingaugeError):
    """The user stopped the run; what was measured is kept."""

    exit_code = 130


class OutputClosed(StraingaugeError):
    """The reader of standard output ended before all was written."""

    exit_code = 141  # as shells report a program that SIGPIPE has ended
