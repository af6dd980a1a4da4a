"""Worker processes of `straingauge run`."""

import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from straingauge.cli.options import RunOptions

EXIT_TIMEOUT_S = 2.0  # from the end of a load to the end of its processes


class WorkerProcesses:
    """The processes that share one load; none outlives the context.

    Args:
        names: Their names.
        connection_info: Address and secret of the coordinator.
        options: The load.
    """

    def __init__(
        self, names: Sequence[str], connection_info: Mapping[str, Any], options: RunOptions
    ) -> None:
        self._names = names
        self._connection_info = connection_info
        self._options = options
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
        """End the processes that do not end by themselves."""
        give_up_s = time.monotonic() + EXIT_TIMEOUT_S
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(give_up_s - time.monotonic(), 0.01))
        for process in self._processes.values():
            process.kill()  # no effect on one that has ended
            process.wait()

    def exit_reason(self, name: str) -> str | None:
        """Return how a process has ended, as text; None while it runs."""
        code = self._processes[name].poll()
        if code is None:
            return None
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def _start(self, name: str) -> "subprocess.Popen[bytes]":
        # In its own process group: Ctrl-C goes to the controlling process, which tells the others.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "straingauge.cli.worker"],
            stdin=subprocess.PIPE,
            process_group=0,
        )
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin:  # it has ended: see `exit_reason`
            process.stdin.write(pickle.dumps((name, dict(self._connection_info), self._options)))
        return process
