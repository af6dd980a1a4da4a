"""The OTLP receiver takes export requests, and survives everything else."""

import gzip
import socket
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from span_messages import PREFIX, message, root
from straingauge.errors import TargetError
from straingauge.traces import Receiver, SpanBuffer
from straingauge.traces.receiver import HOST, MAX_BODY_BYTES, MAX_CONNECTIONS

JSON = {"Content-Type": "application/json"}
PROTOBUF = {"Content-Type": "application/x-protobuf"}


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[SpanBuffer, Receiver]]:
    """A receiver for all tests, with its buffer."""
    buffer = SpanBuffer(PREFIX)
    with Receiver(buffer) as receiver:
        yield buffer, receiver


def post(
    receiver: Receiver,
    body: bytes,
    headers: dict[str, str],
    path: str = "/v1/traces",
    *,
    chunked: bool = False,
) -> int:
    """Return the status of the response to a POST."""
    connection = HTTPConnection(HOST, receiver.port, timeout=10)
    content = iter([body[:3], body[3:]]) if chunked else body
    connection.request("POST", path, content, headers, encode_chunked=chunked)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize("chunked", [True, False])
def test_export_requests_are_kept(
    running: tuple[SpanBuffer, Receiver],
    coding: str,
    chunked: bool,  # noqa: FBT001  a parameter of the test
):
    """JSON arrives as it was sent, compressed or not, with a length or in chunks."""
    buffer, receiver = running
    body = message([root()])
    sent = gzip.compress(body) if coding == "gzip" else body
    headers = {**JSON, "Content-Encoding": coding}
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
    assert post(receiver, sent, headers, chunked=chunked) == 200
    assert list(buffer)[-1].body == body


def test_metrics_and_logs_are_accepted_and_ignored(running: tuple[SpanBuffer, Receiver]):
    """An exporter that sends metrics and logs as well sees no error."""
    buffer, receiver = running
    before = len(buffer)
    assert post(receiver, b"x", PROTOBUF, "/v1/metrics") == 200
    assert post(receiver, b"x", PROTOBUF, "/v1/logs") == 200
    assert len(buffer) == before


@pytest.mark.parametrize(
    ("body", "headers", "path", "status"),
    [
        (b"x", {"Content-Type": "text/plain"}, "/v1/traces", 415),
        (b"x", {**PROTOBUF, "Content-Encoding": "br"}, "/v1/traces", 415),
        (b"x", {**PROTOBUF, "Content-Encoding": "gzip"}, "/v1/traces", 400),
        (b"x", PROTOBUF, "/v1/elsewhere", 404),
        (b"", {**PROTOBUF, "Content-Length": str(MAX_BODY_BYTES + 1)}, "/v1/traces", 413),
        (b"", {**PROTOBUF, "Content-Length": "-1"}, "/v1/traces", 411),
        (b"zz\r\n", {**PROTOBUF, "Transfer-Encoding": "chunked"}, "/v1/traces", 400),
        (b"-5\r\n", {**PROTOBUF, "Transfer-Encoding": "chunked"}, "/v1/traces", 400),
    ],
)
def test_anything_else_is_refused_and_counted(
    running: tuple[SpanBuffer, Receiver],
    body: bytes,
    headers: dict[str, str],
    path: str,
    status: int,
):
    """Each refusal has its status, is counted, and adds no message."""
    buffer, receiver = running
    kept, refused = len(buffer), buffer.refused
    assert post(receiver, body, headers, path) == status
    assert (len(buffer), buffer.refused) == (kept, refused + 1)


def test_a_body_that_expands_without_end_is_refused(running: tuple[SpanBuffer, Receiver]):
    """A compressed body may not fill the memory."""
    bomb = gzip.compress(b"\0" * (MAX_BODY_BYTES + 1))
    assert post(running[1], bomb, {**PROTOBUF, "Content-Encoding": "gzip"}) == 413


def test_other_protocols_are_refused(running: tuple[SpanBuffer, Receiver]):
    """An exporter of gRPC, which speaks HTTP/2, is counted as refused."""
    buffer, receiver = running
    refused = buffer.refused
    with socket.create_connection((HOST, receiver.port), timeout=10) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert connection.recv(100)
    assert buffer.refused > refused


def test_idle_connections_are_limited(running: tuple[SpanBuffer, Receiver]):
    """Connections beyond the limit are closed, and a place that is free again is used."""
    _, receiver = running
    address = (HOST, receiver.port)
    connections = [socket.create_connection(address, timeout=10) for _ in range(MAX_CONNECTIONS)]
    try:
        with socket.create_connection(address, timeout=10) as late:
            assert late.recv(1) == b""
    finally:
        for each in connections:
            each.close()


def test_a_port_in_use_is_an_error_with_advice(running: tuple[SpanBuffer, Receiver]):
    """The port of another receiver is named, with what to do."""
    with (
        pytest.raises(TargetError, match=f"at port {running[1].port}"),
        Receiver(SpanBuffer(PREFIX), running[1].port),
    ):
        pass
