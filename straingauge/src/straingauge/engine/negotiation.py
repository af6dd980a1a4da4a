"""The choice between HTTP/2 and HTTP/1.1 once a connection is open."""

import asyncio
import ssl
from typing import Final, cast

from straingauge.engine.connection import Connection, ConnectionOwner
from straingauge.engine.http2_connection import Http2Channel, Http2Connection
from straingauge.engine.route import Route
from straingauge.http.address import NoHttp2Error
from straingauge.http.http2.session import Http2Session
from straingauge.http.receive_queue import ReceiveQueue

_H2: Final = "h2"  # the name in TLS (RFC 9113, section 3.1)


class Negotiation(asyncio.Protocol):
    """Passes an open connection on to the protocol that the server has chosen (RFC 7301, ALPN).

    Attributes:
        chosen: The connection; None before, and if the server does not speak HTTP/2 though it must.
    """

    def __init__(self, owner: ConnectionOwner, queue: ReceiveQueue, route: Route) -> None:
        self._owner = owner
        self._queue = queue
        self._route = route
        self.chosen: Connection | Http2Channel | None = None

    def connection_made(self, opened: asyncio.BaseTransport) -> None:
        """Choose, before anything is received: a server of HTTP/2 may send first."""
        transport = cast("asyncio.Transport", opened)
        address = self._route.address
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        protocol: Connection | Http2Connection
        if tls is None or tls.selected_alpn_protocol() == _H2:
            session = Http2Session("https" if address.tls else "http", address.base_path)
            protocol = Http2Connection(self._queue, session)
            self.chosen = protocol.add_channel(self._owner)
        elif address.settings.http2 == "prior-knowledge":
            transport.abort()
            return
        else:
            protocol = self.chosen = Connection(
                self._owner, self._queue, address.base_path, address.request_root
            )
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def connection(self) -> Connection | Http2Channel:
        """Return the chosen connection.

        Raises:
            NoHttp2Error: The server does not speak HTTP/2.
        """
        if self.chosen is None:
            raise NoHttp2Error
        return self.chosen
