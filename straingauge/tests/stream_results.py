"""Streams with a made clock, and results that have them."""

from typing import Any, cast

from straingauge.http import Stream, StreamReader
from straingauge.http.streaming.stream import as_stream
from straingauge.http.websocket import WebSocket
from straingauge.http.websocket.protocol import WebSocketProtocol
from straingauge.recording import Record, Recorder
from straingauge.statistics import endpoints, metrics

MS = 1_000_000
START = 5_000 * MS
HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream"
TOKEN = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n'


def read(declared: Stream, *pieces: tuple[int, bytes], until_ms: int) -> StreamReader:
    """Read pieces that arrive after these numbers of milliseconds, to the end of the response."""
    reader = StreamReader(declared, HEADERS, START)
    for after_ms, piece in pieces:
        reader.feed([piece], START + after_ms * MS)
    reader.finish(START + until_ms * MS)
    return reader


def recorded(*readers: StreamReader, endpoint: str = "GET /items") -> Record:
    """Record streams that were due 10 ms before they were sent."""
    recorder = Recorder()
    sink = recorder.endpoint_sink("main", endpoint, START)
    for reader in readers:
        intended_ns = START - 10 * MS
        sink.add_stream(intended_ns, reader)
        sink.add(intended_ns, START, reader.first_ns, reader.first_ns, 200, HEADERS)
    return recorder.snapshot()


LLM = as_stream("llm")
assert LLM is not None
ANSWER = read(
    LLM, (100, TOKEN), (120, TOKEN), (150, TOKEN + TOKEN), (160, b"data: [DONE]\n\n"), until_ms=170
)


class _Closed:
    """A WebSocket that was open for 2 s."""

    def __init__(self) -> None:
        self.protocol = WebSocketProtocol([], 1000)
        self.opened_ns, self.close_code = START, 1006
        self.protocol.send("hello")
        self.protocol.receive(b"\x81\x02hi", START)


def with_websocket(result: dict[str, Any]) -> dict[str, Any]:
    """Add a WebSocket to a result."""
    recorder = Recorder()
    sink = recorder.endpoint_sink("main", "GET /items", START)
    sink.add(START, START, START, START, 101, HEADERS)
    sink.add_websocket(cast("WebSocket", _Closed()), START + 2000 * MS)
    record = recorder.snapshot()
    result["metrics"]["websockets"] = metrics(record)["websockets"]
    result["endpoints"]["GET /items"]["websockets"] = result["metrics"]["websockets"]
    return result


def with_streams(result: dict[str, Any], *readers: StreamReader) -> dict[str, Any]:
    """Add these streams to a result."""
    record = recorded(*readers)
    result["metrics"]["streams"] = metrics(record)["streams"]
    result["endpoints"]["GET /items"]["streams"] = endpoints(record)["GET /items"]["streams"]
    return result
