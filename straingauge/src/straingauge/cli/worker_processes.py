"""The processes of `straingauge run`."""

import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from straingauge.cli.options import RunOptions

GRACE_S = 2.0  # from the end of a load to the end of its processes


class WorkerProcesses:
    """So many processes that play one load; none outlives the context.

    Args:
        names: Theirs.
        invitation: Where they meet.
        settings: What they play.
    """

    def __init__(
        self, names: Sequence[str], invitation: Mapping[str, Any], settings: RunOptions
    ) -> None:
        self._names = names
        self._invitation = invitation
        self._settings = settings
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            for name in self._names:
                self._processes[name] = self._start(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End those that have not ended by themselves."""
        give_up_s = time.monotonic() + GRACE_S
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(give_up_s - time.monotonic(), 0.01))
        for process in self._processes.values():
            process.kill()  # does nothing to one that has ended
            process.wait()

    def end_of(self, name: str) -> str | None:
        """How a process has ended, in words; None while it runs."""
        code = self._processes[name].poll()
        if code is None:
            return None
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def _start(self, name: str) -> "subprocess.Popen[bytes]":
        # A group of its own: Ctrl-C is for the controlling process, which tells the others.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "straingauge.cli.worker"],
            stdin=subprocess.PIPE,
            process_group=0,
        )
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin:  # it has ended: `end_of` says how
            process.stdin.write(pickle.dumps((name, dict(self._invitation), self._settings)))
        return process
