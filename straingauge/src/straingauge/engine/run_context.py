"""State shared by all virtual users of a run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from straingauge.engine.delay_histogram import DelayHistogram
from straingauge.engine.pace import PaceControl
from straingauge.engine.route import Routes
from straingauge.engine.thread_pool import ThreadPool
from straingauge.http.receive_queue import ReceiveQueue
from straingauge.http.traceparent import TraceIds

if TYPE_CHECKING:
    from straingauge.engine.socket_channel import SocketChannel

# Thousands of connections opened at once would overflow the target's accept queue, and what the
# kernel drops there would count as the service's failures.
_MAX_CONNECTING: Final = 64
# An event loop that is kept for less is hardly late; see `verdict.validity`.
BLOCKING_NS: Final = 50_000_000


class RunContext:
    """The event loop, the target, and counts over all virtual users.

    Attributes:
        connect_limit: limits how many connections are being opened at a time, in order.
        routes, target: where requests go, and the route to the target.
        pace: the pace that may change while the load runs; None if it may not.
        trace_ids: ids of the requests' traces; None to send no header `traceparent`.
        closing: WebSockets' connections that are being closed.
        is_closing: no further request is sent.
        end_reason: why no execution is to start any more; None as long as the schedule decides.
        busy: virtual users that run a journey.
        thread_queue: time in which own steps waited for a thread.
        blocking: the longest time in which an own step kept the event loop, and its name.
        sent, journeys, connections, http2_connections, http1_instead: see `EngineStats`.
        reconnected, closed_idle: see `EngineStats`.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        routes: Routes,
        timeout_s: float,
        keep_connections: bool,
        trace_ids: TraceIds | None = None,
        pace: PaceControl | None = None,
    ) -> None:
        self.loop = loop
        self.receive_queue = ReceiveQueue(loop.call_soon)
        self.routes = routes
        self.target = routes.target
        self.timeout_ns = int(timeout_s * 1e9)
        self.keep_connections = keep_connections
        self.trace_ids = trace_ids
        self.pace = pace
        self.connect_limit = asyncio.Semaphore(_MAX_CONNECTING)
        self.closing: set[SocketChannel] = set()
        self.is_closing = False
        self.end_reason: str | None = None
        self.busy = 0
        self.sent = 0
        self.journeys = 0
        self.connections = 0
        self.http2_connections = 0
        self.http1_instead = 0
        self.reconnected = 0
        self.closed_idle = 0
        self.thread_queue = DelayHistogram()
        self.blocking: tuple[int, str] | None = None
        self._threads: ThreadPool | None = None

    @property
    def threads(self) -> ThreadPool:
        """The threads of own steps, started when they are needed."""
        if self._threads is None:
            self._threads = ThreadPool()
        return self._threads

    def add_blocking(self, name: str, longest_ns: int) -> None:
        """Keep the own step that kept the event loop for the longest time, if it was long."""
        if longest_ns >= BLOCKING_NS and (self.blocking is None or longest_ns > self.blocking[0]):
            self.blocking = longest_ns, name

    def close(self) -> None:
        """End the threads."""
        if self._threads is not None:
            self._threads.close()
