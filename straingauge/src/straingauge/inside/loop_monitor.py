"""Detection of a blocked event loop.

A timer fires 20 times per second. While a handler computes or waits without `await`, the timer
cannot fire: its delay is the duration of the block, less at most one interval.
"""

import asyncio
from collections import deque
from contextvars import Context

from straingauge.inside.shared_values import Value, Values

INTERVAL_S = 0.05
BLOCK_S = 0.1  # shorter delays are normal: garbage collection, a large response
WINDOW_S = 60.0  # of the longest block; longer than a usual scrape interval


class LoopMonitor:
    """Record the blocks of the event loop that serves requests."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due_s = 0.0
        # (time, duration) of blocks in the window that no later block exceeded, longest first.
        self._longest: deque[tuple[float, float]] = deque()

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Monitor a running loop; the one before has ended."""
        if loop is not self._loop:
            self._loop = loop
            self._schedule(loop, loop.time())

    def _schedule(self, loop: asyncio.AbstractEventLoop, now_s: float) -> None:
        self._due_s = now_s + INTERVAL_S
        # In an empty context, because that of the caller would keep its request alive.
        loop.call_at(self._due_s, self._tick, loop, context=Context())

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:
            return
        now_s = loop.time()
        delay_s = now_s - self._due_s
        own = self._values.own
        if delay_s > BLOCK_S:
            own[Value.LOOP_BLOCKS] += 1
            own[Value.LOOP_BLOCKED_S] += delay_s
            while self._longest and self._longest[-1][1] <= delay_s:
                self._longest.pop()
            self._longest.append((now_s, delay_s))
        while self._longest and now_s - self._longest[0][0] > WINDOW_S:
            self._longest.popleft()
        own[Value.LOOP_LONGEST_S] = self._longest[0][1] if self._longest else 0.0
        self._schedule(loop, now_s)
