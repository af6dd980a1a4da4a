"""A server whose paths are streams: it sends each event at a known instant."""

import gzip
import time
import zlib
from collections.abc import Callable, Iterator
from itertools import chain, repeat

from raw_server import Peer

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
WORD = b'data: {"choices": [{"delta": {"content": "word "}}]}\n\n'
ROLE = b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}\n\n'

Script = Iterator[tuple[float, bytes]]
"""Pauses in seconds, each with what is sent after it."""

sent_ns: dict[str, list[int]] = {}
"""When the events of the last request to a path were sent."""

STREAMS: dict[str, Callable[[], Script]] = {
    "/timed": lambda: zip(
        (0.03, 0.02, 0.04, 0.0, 0.06), (b"data: %d\n\n" % n for n in range(5)), strict=True
    ),
    "/llm": lambda: iter([(0, ROLE), *[(0.02, WORD)] * 4, (0, b"data: [DONE]\n\n")]),
    "/killed": lambda: iter([(0, b"data: a\n\ndata: b\n\n")]),
    "/unmarked": lambda: iter([(0, b"data: a\n\n")]),
    "/empty": lambda: iter(()),
    "/silent": lambda: iter([(0, b"data: a\n\ndata: b\n\n")]),
    "/late": lambda: chain([(0.2, b"data: tick\n\n")], repeat((0.01, b"data: tick\n\n"))),
    "/endless": lambda: repeat((0.005, b"data: tick\n\n")),
    "/steady": lambda: ((n % 4 * 0.005, b"data: %d\n\n" % n) for n in range(40)),
    "/steady/gzip": lambda: ((n % 4 * 0.005, b"data: %d\n\n" % n) for n in range(40)),
    "/steady/lines": lambda: ((n % 4 * 0.005, b'{"n": %d}\n' % n) for n in range(40)),
}


EVENTS = b"".join(b"id: %d\ndata: %d\n\n" % (n, n) for n in range(50))


def _chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


def _bytes_of(text: str) -> list[bytes]:
    return [bytes([each]) for each in text.encode()]


def _raw_deflate(content: bytes) -> bytes:
    coder = zlib.compressobj(wbits=-15)
    return coder.compress(content) + coder.flush()


ZIPPED = gzip.compress(EVENTS)
BODIES: dict[str, tuple[bytes, bytes]] = {
    "/bytes": (b"", _chunked(*_bytes_of("\ufeffdata: \u00e9\U0001f600\r\n\r\ndata: b\r\r"))),
    "/gzip": (b"gzip", _chunked(ZIPPED[:20], ZIPPED[20:])),
    "/gzip/bytes": (b"gzip", _chunked(*(bytes([each]) for each in ZIPPED))),
    "/gzip/cut": (b"gzip", _chunked(ZIPPED[:-30])),
    "/gzip/no-check": (b"gzip", _chunked(ZIPPED[:-4])),
    "/gzip/garbage": (b"gzip", _chunked(ZIPPED[:30], b"garbage" * 9)),
    "/gzip/members": (b"gzip", _chunked(ZIPPED, gzip.compress(b"data: last\n\n"), b"more")),
    "/gzip/bomb": (b"gzip", _chunked(gzip.compress(b":" * 2_000_000))),
    "/zlib": (b"deflate", _chunked(zlib.compress(EVENTS))),
    "/deflate": (b"deflate", _chunked(_raw_deflate(EVENTS))),
    "/trailers": (b"", _chunked(EVENTS, end=b"0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n")),
    "/extension": (b"", b"5;name=value\r\ndata:\r\n4\r\n a\n\n\r\n0\r\n\r\n"),
    "/bad-size": (b"", b"zz\r\ndata: a\n\n\r\n0\r\n\r\n"),
    "/bad-end": (b"", b"3\r\ndata: a\n\n\r\n0\r\n\r\n"),
    "/cut": (b"", _chunked(b"data: a\n\n", end=b"ff\r\ndata: b")),
    "/no-last-chunk": (b"", _chunked(b"data: a\n\n", end=b"")),
    "/no-blank-line": (b"", _chunked(b"data: a\n\ndata: b\n")),
    "/lines": (b"", _chunked(b'{"a": 1}\r\n{"b"', b': 2}\n\n{"c": 3}')),
    "/lines/cut": (b"", _chunked(b'{"a": 1}\n{"b": ')),
    "/line": (b"", _chunked(*[b"data: " + b"a" * 60_000] * 20)),
    "/comments": (b"", _chunked(*[b": " + b"c" * 1000 + b"\n"] * 3000)),
}
"""Content-Encoding and the whole body as sent, after which the connection is closed."""


def stream(peer: Peer) -> None:
    """Answer each request as its path says."""
    while (exchange := peer.read()) is not None:
        path = exchange.target
        if path in BODIES:
            coding, body = BODIES[path]
            line = b"Content-Encoding: %b\r\n\r\n" % coding if coding else b"\r\n"
            peer.socket.sendall(HEAD.removesuffix(b"\r\n") + line + body)
            return
        if path == "/busy":
            peer.answer(503, b"try later")
        elif path not in STREAMS:
            peer.answer(200, b"{}", "Content-Type: application/json\r\n")
        else:
            head = HEAD.removesuffix(b"\r\n") + b"Content-Encoding: gzip\r\n\r\n"
            peer.socket.sendall(head if path.endswith("gzip") else HEAD)
            _send(peer, path)
            if path == "/killed":
                time.sleep(0.01)
                peer.reset()
                return
            if path == "/silent" and not peer.socket.recv(1):  # until the client has gone
                return
            peer.socket.sendall(b"0\r\n\r\n")


def _send(peer: Peer, path: str) -> None:
    instants = sent_ns[path] = []
    coder = zlib.compressobj(wbits=31) if path.endswith("gzip") else None
    for pause_s, event in STREAMS[path]():
        time.sleep(pause_s)
        data = event
        if coder is not None:
            data = coder.compress(event) + coder.flush(zlib.Z_SYNC_FLUSH)
        instants.append(time.monotonic_ns())
        peer.socket.sendall(_chunked(data, end=b""))
    if coder is not None:
        peer.socket.sendall(_chunked(coder.flush()))
