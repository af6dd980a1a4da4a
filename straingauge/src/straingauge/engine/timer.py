"""A timer finer than the event loop's, whose clock ticks in milliseconds."""

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Calls back once at an instant."""

    def set(self, at_ns: int) -> None:
        """Call back at this instant of `time.monotonic_ns`, or at once if it is past."""

    def close(self) -> None:
        """Never call back again."""


class LoopTimer:
    """By the loop's own timers: up to a millisecond late."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop = loop
        self._call = call
        self._handle: asyncio.Handle | None = None

    def set(self, at_ns: int) -> None:
        """See `Alarm`."""
        delay_s = (at_ns - time.monotonic_ns()) / 1e9
        self._handle = self._loop.call_later(max(delay_s, 0), self._ring)

    def _ring(self) -> None:
        self._call()

    def close(self) -> None:
        """See `Alarm`."""
        if self._handle is not None:
            self._handle.cancel()


class _Timespec(ctypes.Structure):
    _fields_ = (("s", ctypes.c_long), ("ns", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class TimerfdTimer:
    """By Linux' timerfd(2), on the very clock of `time.monotonic_ns`: some 50 us late."""

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
        loop.add_reader(self._fd, self._ring)

    def set(self, at_ns: int) -> None:
        """See `Alarm`."""
        # An instant of 0 would switch the timer off.
        self._spec.value.s, self._spec.value.ns = divmod(max(at_ns, 1), 1_000_000_000)
        spec = ctypes.byref(self._spec)
        if self._libc.timerfd_settime(self._fd, self._TFD_TIMER_ABSTIME, spec, None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _ring(self) -> None:
        os.read(self._fd, 8)
        self._call()

    def close(self) -> None:
        """See `Alarm`."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


def make_timer(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> Timer:
    """The finest alarm this system has."""
    return (TimerfdTimer if sys.platform == "linux" else LoopTimer)(loop, call)
