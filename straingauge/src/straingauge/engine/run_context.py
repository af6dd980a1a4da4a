"""State shared by all virtual users of a run."""

import asyncio
import ssl
from typing import Final

from straingauge.http.address import Address
from straingauge.http.receive_queue import ReceiveQueue
from straingauge.http.site import Site
from straingauge.http.traceparent import TraceIds

# Thousands of connections opened at once would overflow the target's accept queue, and what the
# kernel drops there would count as the service's failures.
_MAX_CONNECTING: Final = 64


class RunContext:
    """The event loop, the target, and counts over all virtual users.

    Attributes:
        connect_limit: limits how many connections are being opened at a time, in order.
        site: the target, as cookies and redirects see it.
        trace_ids: ids of the requests' traces; None to send no header `traceparent`.
        is_closing: no further request is sent.
        end_reason: why no execution is to start any more; None as long as the schedule decides.
        busy: virtual users that run a journey.
        sent, journeys, connections, reconnected, closed_idle: see `EngineStats`.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        address: Address,
        tls: ssl.SSLContext | None,
        timeout_s: float,
        keep_connections: bool,
        trace_ids: TraceIds | None = None,
    ) -> None:
        self.loop = loop
        self.receive_queue = ReceiveQueue(loop.call_soon)
        self.address = address
        self.host_header = address.host_header
        self.site = Site.of(address)
        self.tls = tls
        self.timeout_ns = int(timeout_s * 1e9)
        self.keep_connections = keep_connections
        self.trace_ids = trace_ids
        self.connect_limit = asyncio.Semaphore(_MAX_CONNECTING)
        self.is_closing = False
        self.end_reason: str | None = None
        self.busy = 0
        self.sent = 0
        self.journeys = 0
        self.connections = 0
        self.reconnected = 0
        self.closed_idle = 0
