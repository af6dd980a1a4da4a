"""Turns of CPU-bound child processes: one runs at a time, and none waits for the end of another.

Decoding an hour of speech takes most of an hour. If decoders ran one after the other, a short
recording would wait for all long ones before it; if they ran at the same time, they would take the
CPU time of the service. Therefore one runs for `SLICE_S` seconds while the others are stopped.
"""

import asyncio
import os
import signal
import time
from asyncio.subprocess import Process
from contextlib import suppress
from typing import Any

SLICE_S = 5.0
"""Most recordings of a minute finish in a few slices, and switching costs less than 0.1 %."""


class ProcessTurns:
    """Runs processes in turns, in the order of their arrival."""

    def __init__(self, slice_s: float = SLICE_S) -> None:
        self._slice_s = slice_s
        self._turn = asyncio.Lock()  # serves waiters in order

    async def run(self, process: Process, done: "asyncio.Future[Any]", *, timeout_s: float) -> bool:
        """Let a process run in turns until `done`.

        Args:
            process: A process that was just started.
            done: Completes when the process has exited.
            timeout_s: Limit of the time in which the process runs.

        Returns:
            False if the process ran for `timeout_s` and has not exited.
        """
        _send(process, signal.SIGSTOP)
        left_s = timeout_s
        while not done.done() and left_s > 0:
            async with self._turn:
                started_s = time.monotonic()
                _send(process, signal.SIGCONT)
                await asyncio.wait({done}, timeout=min(self._slice_s, left_s))
                if not done.done():
                    _send(process, signal.SIGSTOP)
                left_s -= time.monotonic() - started_s
        return done.done()


def _send(process: Process, number: signal.Signals) -> None:
    # `process.send_signal` would call `waitpid`, and asyncio would not learn the exit code of a
    # process that has just exited: it reports 255 instead.
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
