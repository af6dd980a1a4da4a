"""A second process that has what was measured so far, and writes the result if this one dies.

Nothing catches `kill -9`, the kernel's OOM killer or a crash of the interpreter. What was measured
until the last report survives them.
"""

import pickle
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol, Self

from straingauge.workers.reports import MergedReports

SCRIPT: Final = Path(__file__).parents[1] / "runner" / "standby_process.py"
LENGTH_BYTES: Final = 8  # of what a frame begins with
WRITE_TIMEOUT_S: Final = 30.0  # for the result of a load whose process ends with an exception


class Unfinished(Protocol):
    """Measurements so far; the second process unpickles them, and writes their result.

    Its class must be importable there without Locust, which patches the standard library.
    """

    def lost(self, ended_ns: int, /) -> str:
        """Return in words what it lacks, because its process ended at an instant."""

    def write_result(self, lost: str, /) -> Path | None:
        """Write the result, which says what is lost; raises WriteError."""


class Standby:
    """Holds what was measured so far in a second process. Use as a context manager.

    On leaving without `discard` since the last report, that process writes the result.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pending: MergedReports | Unfinished | None = None
        self._is_discarded = False
        self._is_closed = False
        self._sender: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def watch(self, latest: MergedReports | Unfinished) -> None:
        """Pass on what was measured; costs next to nothing in the calling thread."""
        if isinstance(latest, MergedReports) and (
            latest.metadata is None or latest.start_ns is None
        ):
            return
        with self._changed:
            if self._is_closed:
                return
            self._pending, self._is_discarded = latest, False
            if self._sender is None:
                self._sender = threading.Thread(
                    target=self._send_all, name="straingauge-standby", daemon=True
                )
                self._sender.start()
            self._changed.notify()

    def discard(self) -> None:
        """Forget what was measured: the result was written."""
        with self._changed:
            self._pending, self._is_discarded = None, True
            self._changed.notify()

    def close(self) -> None:
        """End the second process; it writes the result first, unless that was discarded."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._sender is not None:
            self._sender.join(WRITE_TIMEOUT_S)

    def _send_all(self) -> None:
        """Send what there is, the latest only, until this is closed."""
        # In a separate session: what ends a process group or a terminal does not reach it.
        process = subprocess.Popen(
            [sys.executable, "-P", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it was killed: the load goes on without it
            while (frame := self._next_frame()) is not None:
                process.stdin.write(len(frame).to_bytes(LENGTH_BYTES, "big") + frame)
                process.stdin.flush()
        with suppress(BrokenPipeError):
            process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(WRITE_TIMEOUT_S)

    def _next_frame(self) -> bytes | None:
        """Wait for the next frame; None at the end."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._pending is not None or self._is_discarded or self._is_closed
            )
            latest, self._pending = self._pending, None
            if latest is None:
                is_discarded, self._is_discarded = self._is_discarded, False
                return b"" if is_discarded else None
        return pickle.dumps(latest)
