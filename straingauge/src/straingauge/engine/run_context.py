"""What all players of a run share."""

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from straingauge.engine.load import EndpointSink, OutcomeSink
from straingauge.engine.receive_queue import ReceiveQueue
from straingauge.http.address import Address

if TYPE_CHECKING:
    from straingauge.engine.virtual_user import VirtualUser

# Thousands of users that open their connections at once would flood the target's accept queue, and
# what the kernel drops there would count as the service's failures.
_MOST_CONNECTING: Final = 64


class Channels(dict[str, EndpointSink]):
    """The channels of a phase by endpoint, each opened when first needed."""

    def __init__(self, sink: OutcomeSink, phase: str, origin_ns: int) -> None:
        super().__init__()
        self._sink = sink
        self._phase = phase
        self._origin_ns = origin_ns

    def __missing__(self, endpoint: str) -> EndpointSink:
        channel = self[endpoint] = self._sink.channel(self._phase, endpoint, self._origin_ns)
        return channel


class RunContext:
    """The loop, the target, and what is counted over all players.

    Attributes:
        door: lets in who opens a connection, a few at a time, in order.
        closing: no new request is sent any more.
        busy: players that play a journey.
        finished: called with each player that has finished a journey.
        sent, journeys, connections, reconnected: see `EngineReport`.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        address: Address,
        tls: ssl.SSLContext | None,
        timeout_s: float,
        keep_connections: bool,
        finished: "Callable[[VirtualUser], None]",
    ) -> None:
        self.loop = loop
        self.inbox = ReceiveQueue(loop)
        self.address = address
        self.host_header = address.host_header
        self.tls = tls
        self.timeout_s = timeout_s
        self.timeout_ns = int(timeout_s * 1e9)
        self.keep_connections = keep_connections
        self.finished = finished
        self.door = asyncio.Semaphore(_MOST_CONNECTING)
        self.closing = False
        self.busy = 0
        self.sent = 0
        self.journeys = 0
        self.connections = 0
        self.reconnected = 0
