"""Detection of a blocked event loop, and for how long it was blocked.

A timer fires 20 times per second. While a handler computes or waits without `await`, the timer
cannot fire: its delay is the duration of the block, less at most one interval.
"""

import asyncio
from collections import deque
from typing import Protocol, Self

from app.background import report_failure

TASK = "event_loop_monitor"
INTERVAL_S = 0.05
BLOCK_S = 0.1  # shorter delays are normal: garbage collection, a large response
WINDOW_S = 60.0  # of the longest block; longer than a usual scrape interval


class LoopObserver(Protocol):
    """Receiver of event loop blocks."""

    def on_block(self, duration_s: float) -> None:
        """Receive the duration of a block."""

    def on_longest_change(self, duration_s: float) -> None:
        """Receive the longest block of the last minute after a change; 0 if there was none."""


class EventLoopMonitor:
    """Monitors the running event loop. Use as a context manager."""

    def __init__(self, observer: LoopObserver) -> None:
        self._observer = observer
        self._due_s = 0.0
        self._handle: asyncio.TimerHandle | None = None
        # (time, duration) of blocks in the window that no later block exceeded, longest first.
        self._longest: deque[tuple[float, float]] = deque()

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._observer.on_longest_change(0.0)
        self._schedule(self._loop.time())
        return self

    def __exit__(self, *_: object) -> None:
        assert self._handle is not None
        self._handle.cancel()

    def _schedule(self, now_s: float) -> None:
        self._due_s = now_s + INTERVAL_S
        self._handle = self._loop.call_at(self._due_s, self._tick)

    def _tick(self) -> None:
        now_s = self._loop.time()
        try:
            self._measure(now_s)
        except Exception as error:  # noqa: BLE001 -- an observer's exception must not end the timer
            report_failure(TASK, error)
        self._schedule(now_s)

    def _measure(self, now_s: float) -> None:
        delay_s = now_s - self._due_s
        if delay_s > BLOCK_S:
            self._observer.on_block(delay_s)
            while self._longest and self._longest[-1][1] <= delay_s:
                self._longest.pop()
            self._longest.append((now_s, delay_s))
            self._observer.on_longest_change(self._longest[0][1])
        elif self._longest and now_s - self._longest[0][0] > WINDOW_S:
            self._longest.popleft()
            self._observer.on_longest_change(self._longest[0][1] if self._longest else 0.0)
