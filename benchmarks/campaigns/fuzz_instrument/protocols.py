"""Bytes that services send: HTTP/1.1, HTTP/2, streams and WebSockets."""

import gzip
import itertools
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Final

import h11
from campaigns.fuzz_instrument.mutation import damage
from campaigns.fuzz_instrument.trial import Input, Refused
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from straingauge.http import Headers, Request, RequestFailed
from straingauge.http.codec import ProtocolError, ResponseReader, ShortBody
from straingauge.http.exchange import Exchange
from straingauge.http.http2.session import Http2Session
from straingauge.http.websocket.handshake import Handshake
from straingauge.http.websocket.protocol import WebSocketProtocol
from straingauge.http.websocket.steps import Connect
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from straingauge import Stream

Verdict = tuple[object, ...]

_RESPONSES: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nX-A: b\r\nX-A: c\r\n\r\nuntil the end",
    b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 204 No Content\r\nServer: x\r\n\r\n",
    b'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: "a"\r\n\r\n',
    b"HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 25\r\n\r\n"
    + gzip.compress(b"hello", mtime=0),
)
_PIECES: Final = (
    *(b"Content-Length: 5\r\n", b"Content-Length: 5, 5\r\n", b"Content-Length: +5\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b" folded\r\n"),
    *(
        b"Transfer-Encoding: identity\r\n",
        b"X : y\r\n",
        b"X-\xe9: y\r\n",
        b": y\r\n",
        b"\r\n",
        b"\n",
    ),
    *(
        b"0\r\n\r\n",
        b"ffffffffffffffff\r\n",
        b"-1\r\n",
        b"Connection: close\r\n",
        b"Upgrade: x\r\n",
    ),
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/2 200\r\n", b"HTTP/1.1 99 x\r\n", b"HTTP/1.1 1000 x\r\n"),
)


def _http1_example(random: Random) -> bytes:
    data = random.choice(_RESPONSES)
    if random.random() < 0.5:
        lines = data.splitlines(keepends=True)
        lines.insert(random.randint(0, len(lines)), random.choice(_PIECES))
        data = b"".join(lines)
    return data if random.random() < 0.2 else damage(data, random)


def pieces(data: bytes) -> list[bytes]:
    """Cut bytes at places that depend on nothing but them."""
    random = Random(zlib.crc32(data))
    places = sorted({0, len(data), *(random.randint(0, len(data)) for _ in range(4))})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def ours(parts: Iterable[bytes], method: str = "GET") -> Verdict:
    """Parse a response, then the end of the connection, by our reader."""
    reader = ResponseReader()
    reader.begin(method)
    try:
        is_complete = False
        for part in parts:
            is_complete = is_complete or reader.feed(part)
        if not is_complete:
            reader.eof()
    except ProtocolError:
        return ("broken",)
    except ShortBody:
        return ("short",)
    _ = dict(Headers(reader.headers))
    return ("complete", reader.status, reader.body)


def theirs(data: bytes, method: str = "GET") -> Verdict:
    """Parse the same by h11."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    if data:
        client.receive_data(data)
    status, body, has_ended = 0, b"", not data
    while True:
        try:
            event = client.next_event()
        except h11.RemoteProtocolError:
            return ("short",) if has_ended else ("broken",)
        if event is h11.NEED_DATA:
            has_ended = True
            client.receive_data(b"")
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return ("complete", status, body)
        elif isinstance(event, h11.ConnectionClosed):
            return ("short",)


def _read_http1(example: bytes, _: Path) -> None:
    whole = ours([example] if example else [])
    split = ours(pieces(example))
    assert whole == split, f"whole {whole[:2]}, in pieces {split[:2]}"
    other = theirs(example)
    if whole[0] == "complete" == other[0]:
        assert whole == other, f"ours {whole}, of h11 {other}"
    if whole[0] != "complete":
        raise Refused(str(whole))


def _http2_server() -> H2Connection:
    server = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
    server.initiate_connection()
    return server


def _http2_example(random: Random) -> bytes:
    """Return what a server sends to two requests, damaged."""
    session, server = Http2Session("http"), _http2_server()
    for _ in range(2):
        session.begin(Request("GET", "/x", "GET /x"), b"x", b"", 1)
    server.receive_data(session.take_data())
    head = [(":status", "200"), ("content-type", "text/plain")]
    server.send_headers(1, head)
    server.send_data(1, b"hello" * 20)
    server.send_data(1, b"", end_stream=True)
    what = random.randrange(5)
    if what == 0:
        server.send_headers(3, head)
        server.send_data(3, b"x")
        server.send_headers(3, [("trailer", "a")], end_stream=True)
    elif what == 1:
        server.reset_stream(3, random.choice(list(ErrorCodes)))
    elif what == 2:
        server.close_connection(random.choice(list(ErrorCodes)), b"said", random.choice((0, 1, 3)))
    elif what == 3:
        server.send_headers(3, [(":status", "103")])
        server.send_headers(3, [(":status", "204")], end_stream=True)
    else:
        server.ping(b"12345678")
        server.update_settings({4: random.choice((0, 1, 2**31 - 1)), 3: random.choice((0, 1, 100))})
    data = server.data_to_send()
    return data if random.random() < 0.1 else damage(data, random)


def _read_http2(example: bytes, _: Path) -> None:
    session = Http2Session("http")
    exchanges = [session.begin(Request("GET", "/x", "GET /x"), b"x", b"", 1) for _ in range(2)]
    session.take_data()
    for at_ns, part in enumerate([*filter(None, pieces(example)), b""], start=2):
        session.receive(part, at_ns)
        session.take_data()
        session.send_content(at_ns)
    assert all(each.outcome is not None for each in exchanges), "a request without an outcome"
    assert not session.in_flight, f"{session.in_flight} requests in flight after the end"
    if all(isinstance(each.outcome, RequestFailed) for each in exchanges):
        raise Refused(str(exchanges[0].outcome))


_STREAMS: Final = (
    (
        Stream(format="sse"),
        b'\xef\xbb\xbfid: 1\nevent: add\nretry: 1\ndata: {"a": 1}\n\ndata: b\r\r',
    ),
    (Stream(format="ndjson", tokens=True), b'{"a": 1}\n{"b": 2}\n\nlast'),
    (Stream(format="chunks"), b"some chunks"),
)


def _stream_example(random: Random) -> bytes:
    number = random.randrange(len(_STREAMS))
    kind = {0: b"text/event-stream", 1: b"application/x-ndjson", 2: b"text/plain"}[number]
    body = damage(_STREAMS[number][1], random)
    lines = [b"HTTP/1.1 200 OK", b"Content-Type: " + kind, b"X-Stream: %d" % number]
    if random.random() < 0.4:
        body = gzip.compress(body, mtime=0)
        lines.append(b"Content-Encoding: gzip")
    if random.random() < 0.5:
        lines.append(b"Content-Length: %d" % len(body))
    else:
        lines.append(b"Transfer-Encoding: chunked")
        parts = [part for part in pieces(body) if part]
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    data = b"\r\n".join(lines) + b"\r\n\r\n" + body
    return damage(data, random) if random.random() < 0.5 else data


def _read_stream(example: bytes, _: Path) -> None:
    outcomes = []
    for declared, _body in _STREAMS:
        exchange = Exchange()
        exchange.begin(Request("GET", "/x", "GET /x", stream=declared), b"x")
        exchange.sent_ns = 1
        outcome = None
        for at_ns, part in enumerate([*filter(None, pieces(example)), b""], start=2):
            outcome = exchange.receive(part, at_ns)
            if outcome is not None:
                break
        assert outcome is not None, "no outcome at the end"
        outcomes.append(outcome)
    if all(isinstance(each, RequestFailed) for each in outcomes):
        raise Refused(str(outcomes[0]))


def _websocket_example(random: Random) -> bytes:
    server = Connection(ConnectionType.SERVER)
    data = server.send(TextMessage(data='{"a": 1}'))
    data += server.send(BytesMessage(data=b"\0\1", message_finished=False))
    data += server.send(Ping(payload=b"x"))
    data += server.send(BytesMessage(data=b"\2" * 200))
    data += server.send(CloseConnection(code=random.choice((1000, 1011, 4000)), reason="bye"))
    return damage(data, random)


def _read_websocket(example: bytes, _: Path) -> None:
    protocol = WebSocketProtocol([], 10_000)
    for at_ns, part in enumerate([*filter(None, pieces(example)), b""], start=2):
        protocol.receive(part, at_ns)
    assert protocol.failure is not None, "no failure at the end of the connection"
    for message in protocol.messages:
        try:
            message.json()
        except ValueError:
            continue


def _handshake_example(random: Random) -> bytes:
    return damage(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n\r\n",
        random,
    )


def _read_handshake(example: bytes, _: Path) -> None:
    request = Request("GET", "/x", "WS /x", expect=frozenset({101}))
    handshake = Handshake(Connect(request, ("chat",), compress=True, max_message_bytes=1000))
    handshake._key = b"dGhlIHNhbXBsZSBub25jZQ=="  # noqa: SLF001  that of RFC 6455
    handshake.request(b"x")
    outcome: object = None
    for at_ns, part in enumerate([*filter(None, pieces(example)), b""], start=2):
        outcome = handshake.receive(part, at_ns)
        if outcome is not None:
            break
    assert outcome is not None, "no outcome at the end"
    if isinstance(outcome, RequestFailed):
        raise Refused(str(outcome))


def protocol_inputs() -> Sequence[Input]:
    """Return the kinds of what services send over a connection."""
    return [
        Input("http1", "HTTP/1.1, compared with h11", _http1_example, _read_http1),
        Input("http2", "HTTP/2 frames", _http2_example, _read_http2),
        Input("stream", "streams: SSE, lines, chunks, gzip", _stream_example, _read_stream),
        Input("websocket", "WebSocket frames", _websocket_example, _read_websocket),
        Input("handshake", "WebSocket handshakes", _handshake_example, _read_handshake),
    ]
