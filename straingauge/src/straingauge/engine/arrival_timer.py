"""A timer finer than the event loop's, whose clock ticks in milliseconds."""

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Calls a function once, at an instant."""

    def set(self, at_ns: int) -> None:
        """Call at this instant of `time.monotonic_ns`, or at once if it has passed."""

    def close(self) -> None:
        """Cancel the call."""


class LoopTimer:
    """A timer of the event loop: up to a millisecond late."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop = loop
        self._call = call
        self._handle: asyncio.Handle | None = None

    def set(self, at_ns: int) -> None:
        """See `Timer`."""
        delay_s = (at_ns - time.monotonic_ns()) / 1e9
        self._handle = self._loop.call_later(max(delay_s, 0), self._fire)

    def _fire(self) -> None:
        self._call()

    def close(self) -> None:
        """See `Timer`."""
        if self._handle is not None:
            self._handle.cancel()


class _Timespec(ctypes.Structure):
    _fields_ = (("s", ctypes.c_long), ("ns", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class TimerfdTimer:
    """A timer by Linux's timerfd(2), on the clock of `time.monotonic_ns`: about 50 us late."""

    _TFD_TIMER_ABSTIME = 1

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        flags = os.O_NONBLOCK | os.O_CLOEXEC  # TFD_NONBLOCK and TFD_CLOEXEC are these
        self._fd: int = self._libc.timerfd_create(time.CLOCK_MONOTONIC, flags)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._loop = loop
        self._call = call
        self._spec = _Itimerspec()
        loop.add_reader(self._fd, self._fire)

    def set(self, at_ns: int) -> None:
        """See `Timer`."""
        # An instant of 0 would disarm the timer.
        self._spec.value.s, self._spec.value.ns = divmod(max(at_ns, 1), 1_000_000_000)
        spec = ctypes.byref(self._spec)
        if self._libc.timerfd_settime(self._fd, self._TFD_TIMER_ABSTIME, spec, None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _fire(self) -> None:
        os.read(self._fd, 8)
        self._call()

    def close(self) -> None:
        """See `Timer`."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


def make_timer(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> Timer:
    """Return the finest timer that this system has."""
    return (TimerfdTimer if sys.platform == "linux" else LoopTimer)(loop, call)
