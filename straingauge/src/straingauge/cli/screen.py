"""The terminal, or the log, that a command reports to while it works: standard error."""

import os
import shutil
import sys
import threading
from typing import TypedDict

from straingauge.line_wrap import wrapped
from straingauge.redaction import redact

CLEAR_LINE = "\r\x1b[2K"


class Output(TypedDict):
    """Width and style of reports on standard output.

    `width` is in columns. `wrap` is true if lines are wrapped: in a file or a pipe each is one
    line, for programs that search them.
    """

    width: int
    colour: bool
    wrap: bool


def standard_output() -> Output:
    """Width of the terminal in columns, and whether standard output is one."""
    width = shutil.get_terminal_size(fallback=(120, 24)).columns
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return {"width": width, "colour": is_terminal, "wrap": is_terminal}


def fitting(text: str) -> str:
    """Return lines for standard error, wrapped if it is a terminal."""
    width = _error_width()
    if width is None:
        return text
    return "\n".join(wrapped(line, width) for line in text.split("\n"))


def _error_width() -> int | None:
    """Width of the terminal of standard error in columns; None if it is none."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:  # a stream of a program that runs the command
        return shutil.get_terminal_size().columns


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
        return _error_width() or 120

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
            self._write(f"{fitting(line)}\n")
            self._open = False

    def clear(self) -> None:
        """Remove the rewritten line."""
        self.rewrite("")

    def _write(self, text: str) -> None:
        sys.stderr.write((CLEAR_LINE if self._open else "") + text)
        sys.stderr.flush()
