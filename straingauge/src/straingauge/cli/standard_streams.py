"""Standard streams of a command: closed ones, and a standard error that cannot be written."""

import io
import os
import sys
from contextlib import suppress
from typing import Final, TextIO

_STANDARD_ERROR: Final = 2


class Messages(io.TextIOWrapper):
    """A text stream that drops what cannot be written, such as messages on a full disk."""

    def write(self, text: str, /) -> int:
        """Write a text; what cannot be written counts as written."""
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        """Write what is buffered, if that is possible."""
        with suppress(OSError):
            super().flush()


def keep_running() -> None:
    """Let messages that cannot be written neither end a load nor change its exit code.

    A closed standard error is replaced by one that drops its text; the numbers of closed standard
    streams are taken, so that no file or socket gets what other programs write there.
    """
    for number in (0, 1, _STANDARD_ERROR):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)  # for children, too
    given: TextIO | None = sys.stderr
    if given is None or (given is sys.__stderr__ and not os.isatty(_STANDARD_ERROR)):
        sys.stderr = messages_to(io.FileIO(_STANDARD_ERROR, "wb", closefd=False), given)


def messages_to(file: io.FileIO, like: TextIO | None) -> Messages:
    """Return a text stream to a file, line by line, with the encoding of another stream."""
    return Messages(
        io.BufferedWriter(file),
        encoding=getattr(like, "encoding", None) or "utf-8",
        errors=getattr(like, "errors", None) or "backslashreplace",
        line_buffering=True,
    )
