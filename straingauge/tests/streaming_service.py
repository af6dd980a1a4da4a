"""A server whose paths are streams: it sends each event at a known instant."""

import time
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
}


def stream(peer: Peer) -> None:
    """Answer each request as its path says."""
    while (exchange := peer.read()) is not None:
        path = exchange.target
        if path == "/busy":
            peer.answer(503, b"try later")
        elif path not in STREAMS:
            peer.answer(200, b"{}", "Content-Type: application/json\r\n")
        else:
            peer.socket.sendall(HEAD)
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
    for pause_s, data in STREAMS[path]():
        time.sleep(pause_s)
        instants.append(time.monotonic_ns())
        peer.socket.sendall(b"%x\r\n%b\r\n" % (len(data), data))
