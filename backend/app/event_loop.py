"""A clockwork that tells when something held the event loop up, and for how long.

It ticks 20 times a second. While a handler computes or waits without `await`, no tick comes: the
next one is late by the time the loop stood still, less at most one beat.
"""

import asyncio
from collections import deque
from typing import Protocol, Self

BEAT_S = 0.05
BLOCK_S = 0.1  # below, nobody would call it a block: a collection, a large answer
WINDOW_S = 60.0  # of the longest block: longer than the interval of any scraper


class LoopWatcher(Protocol):
    """Who wants to know of the blocks."""

    def blocked(self, late_s: float) -> None:
        """The loop stood still for this long."""

    def longest(self, late_s: float) -> None:
        """The longest block of the last minute is another one now; 0: there was none."""


class EventLoopClock:
    """Ticks in the running event loop while in use as a context manager."""

    def __init__(self, watcher: LoopWatcher) -> None:
        self._watcher = watcher
        self._due_s = 0.0
        self._handle: asyncio.TimerHandle | None = None
        # The blocks of the window that no later one has outdone, the longest first: (time, length).
        self._longest: deque[tuple[float, float]] = deque()

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._watcher.longest(0.0)
        self._wind(self._loop.time())
        return self

    def __exit__(self, *_: object) -> None:
        assert self._handle is not None
        self._handle.cancel()

    def _wind(self, now_s: float) -> None:
        self._due_s = now_s + BEAT_S
        self._handle = self._loop.call_at(self._due_s, self._tick)

    def _tick(self) -> None:
        now_s = self._loop.time()
        late_s = now_s - self._due_s
        if late_s > BLOCK_S:
            self._watcher.blocked(late_s)
            while self._longest and self._longest[-1][1] <= late_s:
                self._longest.pop()
            self._longest.append((now_s, late_s))
            self._watcher.longest(self._longest[0][1])
        elif self._longest and now_s - self._longest[0][0] > WINDOW_S:
            self._longest.popleft()
            self._watcher.longest(self._longest[0][1] if self._longest else 0.0)
        self._wind(now_s)
