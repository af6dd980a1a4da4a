"""The terminal, or the log, that a command reports to while it works: standard error."""

import os
import shutil
import sys
import threading
from typing import TypedDict

from straingauge.redaction import redact

CLEAR_LINE = "\r\x1b[2K"


class Output(TypedDict):
    """Width and colour of reports on standard output."""

    width: int
    colour: bool


def standard_output() -> Output:
    """Width of the terminal in columns, and whether standard output is one."""
    width = shutil.get_terminal_size(fallback=(120, 24)).columns
    return {"width": width, "colour": sys.stdout is not None and sys.stdout.isatty()}


class Screen:
    """Standard error, for lines that stay and one that is rewritten.

    Args:
        quiet: Show neither progress nor notes, but warnings and announcements.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._lock = threading.Lock()
        self._open = False

    @property
    def live(self) -> bool:
        """True if a line can be rewritten."""
        return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    @property
    def width(self) -> int:
        """Width in columns."""
        return os.get_terminal_size(sys.stderr.fileno()).columns if sys.stderr.isatty() else 120

    def rewrite(self, line: str) -> None:
        """Replace the last rewritten line."""
        if self._quiet:
            return
        with self._lock:
            self._write(line)
            self._open = bool(line)

    def say(self, line: str) -> None:
        """Write a line that stays, unless this is to be quiet."""
        if not self._quiet:
            self.warn(line)

    def warn(self, line: str) -> None:
        """Write a line that stays."""
        self.announce(redact(line))

    def announce(self, line: str) -> None:
        """Write a line that stays, with what looks like a secret in it."""
        with self._lock:
            self._write(f"{line}\n")
            self._open = False

    def clear(self) -> None:
        """Remove the rewritten line."""
        self.rewrite("")

    def _write(self, text: str) -> None:
        sys.stderr.write((CLEAR_LINE if self._open else "") + text)
        sys.stderr.flush()
