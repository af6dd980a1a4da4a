"""Opening connections of Locust users: each IP address of a target in turn."""

import ssl
from functools import cache
from time import monotonic_ns
from typing import Final

from gevent import get_hub
from gevent.hub import Hub

from straingauge.http.address import Address, connect_failure
from straingauge.http.receive_queue import ReceiveQueue
from straingauge.locust.http.socket_stream import SocketStream, TimedOut
from straingauge.locust.http.tls_stream import TlsStream

# An address that is not the last one is given up after this time, in which the kernel repeats a
# lost first packet once (after 1 s: RFC 6298, section 2.1).
_ATTEMPT_NS: Final = 2_000_000_000


@cache
def _queue_of(hub: Hub) -> ReceiveQueue:
    # A timer fires after the hub has looked at the sockets, which a callback need not.
    timer = hub.loop.timer(0)

    def reschedule(work: object) -> None:
        timer.stop()
        timer.start(work)

    return ReceiveQueue(hub.loop.run_callback, reschedule)


def open_stream(address: Address, tls: ssl.SSLContext | None, deadline_ns: int) -> SocketStream:
    """Connect: try each IP address in turn; the one that accepts is tried first from then on.

    Raises:
        RequestFailed: The last one failed, too.
        TimedOut: The deadline came first.
    """
    hub: Hub = get_hub()
    queue = _queue_of(hub)
    stream = SocketStream(hub, queue) if tls is None else TlsStream(hub, queue, tls)
    for ip, is_last in address.attempts():
        attempt_by_ns = deadline_ns if is_last else monotonic_ns() + _ATTEMPT_NS
        stream.deadline_ns = min(deadline_ns, attempt_by_ns)
        try:
            stream.open(ip, address)
        except TimedOut:
            if attempt_by_ns >= deadline_ns:
                raise
        except OSError as error:
            if is_last or isinstance(error, ssl.SSLError):
                raise connect_failure(error, ip, address) from error
        else:
            address.prefer(ip)
            break
    return stream
