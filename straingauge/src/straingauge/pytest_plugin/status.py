"""Progress of loads in pytest's terminal."""

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TextIO

import pytest

from straingauge.line_wrap import encodable, wrapped
from straingauge.redaction import redact
from straingauge.workers import MergedReports

if TYPE_CHECKING:
    from straingauge.runner.progress import Progress

CLEAR_LINE = "\r\x1b[2K"


class Status:
    """Writes to the terminal, bypassing pytest's capture, from any thread."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._open = False
        self._progress: Progress | None = None

    def watch(self, test: str, merged: MergedReports) -> bool:
        """Show a load; return whether its percentiles are precise, so that it may stop early."""
        if self._progress is None:
            from straingauge.runner.progress import (
                Progress,
            )  # slow to import, and each pytest session loads this module

            self._progress = Progress(self)
        return self._progress.watch(test, merged)

    @property
    def live(self) -> bool:
        """True if a line can be rewritten."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        return reporter is not None and bool(reporter.isatty)

    @property
    def width(self) -> int:
        """Width in columns."""
        with self._uncaptured():  # where output is captured, no terminal tells its width
            return self._config.get_terminal_writer().fullwidth

    def rewrite(self, line: str) -> None:
        """Replace the last rewritten line."""
        if not line and not self._open:
            return
        with self._lock, self._uncaptured():
            if not self._open:
                self._end_line_of_pytest()
            file = self._file
            file.write(CLEAR_LINE + self.encodable(line))
            file.flush()
            self._open = bool(line)

    def say(self, line: str) -> None:
        """Write a line that stays."""
        self.announce(redact(line))

    def announce(self, line: str) -> None:
        """Write a line that stays, with what looks like a secret in it."""
        self.rewrite("")
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            line = wrapped(line, self.width) if self.live else line
            with self._lock, self._uncaptured():
                reporter.write_line(line)

    def encodable(self, text: str) -> str:
        """Return a text with lookalikes of the characters that the terminal lacks."""
        return encodable(text, getattr(self._file, "encoding", None))

    def clear(self) -> None:
        """Remove the line before pytest writes."""
        self.rewrite("")

    @property
    def _file(self) -> TextIO:
        """The terminal, not through pytest's writer, which would count what it is given."""
        return self._config.get_terminal_writer()._file  # noqa: SLF001  there is no other way

    def _end_line_of_pytest(self) -> None:
        """Start a new line, so that pytest's own output, such as PASSED, is not overwritten."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
        writer = self._config.get_terminal_writer()
        if writer.width_of_current_line:
            writer.line()

    def _uncaptured(self) -> AbstractContextManager[None]:
        """Suspend the capture of output, if tests run in this process."""
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        if capture is None or threading.current_thread() is not threading.main_thread():
            return nullcontext()
        uncaptured: AbstractContextManager[None] = capture.global_and_fixture_disabled()
        return uncaptured
