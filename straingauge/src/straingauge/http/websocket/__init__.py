"""WebSockets (RFC 6455) without I/O: the steps of journeys, the handshake, and the protocol.

`handshake` and `protocol` need `wsproto`, and are imported by the clients alone: journeys do
without.
"""

from straingauge.http.websocket.message import Message
from straingauge.http.websocket.steps import (
    Close,
    Connect,
    Receive,
    Send,
    SocketStep,
    WebSocket,
)

__all__ = ["Close", "Connect", "Message", "Receive", "Send", "SocketStep", "WebSocket"]
