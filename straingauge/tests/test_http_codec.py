"""The HTTP/1.1 codec, compared with h11, another implementation of the same RFC."""

import contextlib
import itertools
from collections.abc import Iterable

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from straingauge.http import FilePart, Headers, Upload, encode_headers, values_of
from straingauge.http.codec import MAX_HEAD_BYTES, ProtocolError, ResponseReader, ShortBody, encode
from straingauge.journey import User

Verdict = tuple[object, ...]


def ours(pieces: list[bytes], method: str = "GET") -> Verdict:
    """Parse these bytes, then the end of the connection, by our reader."""
    reader = ResponseReader()
    reader.begin(method)
    try:
        complete = False
        for piece in pieces:
            complete = complete or reader.feed(piece)
        if not complete:
            reader.eof()
    except ProtocolError:
        return ("broken",)
    except ShortBody:
        return ("short",)
    headers = dict(Headers(reader.headers))
    if "transfer-encoding" in headers:  # in any case (RFC 9112, section 7); h11 changes it to lower
        headers["transfer-encoding"] = headers["transfer-encoding"].lower()
    return ("complete", reader.status, headers, reader.body)


def joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Values by name, repeated ones joined."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.decode().lower(), []).append(value.decode("latin-1"))
    return {name: ", ".join(each) for name, each in values.items()}


def theirs(data: bytes, method: str = "GET") -> Verdict:
    """Parse the same by h11."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    status, headers, body, ended = 0, {}, b"", not data
    while True:
        try:
            event = client.next_event()
        except h11.RemoteProtocolError:
            return ("short",) if ended else ("broken",)
        if event is h11.NEED_DATA:
            ended = True
            client.receive_data(b"")
        elif isinstance(event, h11.Response):
            status, headers = event.status_code, joined(event.headers)
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return ("complete", status, headers, body)
        elif isinstance(event, h11.ConnectionClosed):
            return ("short",)


bodies = st.binary(max_size=40)
token = st.text("abcXYZ-09", min_size=1, max_size=8)
field = st.tuples(token.map(lambda name: f"X-{name}"), st.text('abc XYZ,;="09', max_size=12))

fields = st.lists(field, max_size=3)


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """Proper responses: with a length, chunked, until the connection's end, or without a body.

    Trailers and interim answers are among them; what those name is not of the final head.
    """
    interim = draw(st.lists(st.sampled_from([100, 102, 103]), max_size=2))
    head = b"".join(f"HTTP/1.1 {status} Wait\r\nX-A: b\r\n\r\n".encode() for status in interim)
    status = draw(st.sampled_from([200, 201, 204, 206, 304, 404, 429, 500, 503]))
    lines = [f"HTTP/1.{draw(st.integers(0, 1))} {status} {draw(token)}"]
    lines += [f"{name}: {value.strip()}" for name, value in draw(fields)]
    body, how = draw(bodies), draw(st.sampled_from(["length", "chunked", "until closed"]))
    lines += {
        "length": [f"Content-Length: {len(body)}"],
        "chunked": ["Transfer-Encoding: chunked"],
        "until closed": [],
    }[how]
    if how == "chunked":
        sizes = draw(st.lists(st.integers(1, 10), max_size=5))
        chunks = []
        for size in [*sizes, len(body)]:
            chunk, body = body[:size], body[size:]
            if chunk:
                chunks.append(f"{len(chunk):x}".encode() + b"\r\n" + chunk + b"\r\n")
        trailers = "".join(f"T-{name}: {value.strip()}\r\n" for name, value in draw(fields))
        body = b"".join(chunks) + f"0\r\n{trailers}\r\n".encode()
    if status in (204, 304):
        body = b""
    return head + "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def head_end(data: bytes) -> int:
    """Return the position of the final head's end."""
    start = 0
    while data.startswith(b"HTTP/1.1 1", start):
        start = data.index(b"\r\n\r\n", start) + 4
    return data.index(b"\r\n\r\n", start) + 4


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """The bytes in pieces."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


cuts = st.lists(st.integers(0, 10_000), max_size=6)


@given(responses(), cuts, st.sampled_from(["GET", "POST", "HEAD"]))
@settings(max_examples=400)
def test_proper_responses_are_read_as_h11_reads_them(data: bytes, cuts: list[int], method: str):
    """Status, headers and body are h11's, wherever the bytes are split."""
    if method == "HEAD":
        data = data[: head_end(data)]
    assert ours(split(data, cuts), method) == theirs(data, method)


@given(responses(), st.integers(0, 10_000), cuts)
@settings(max_examples=400)
def test_cut_off_responses_are_short_as_for_h11(data: bytes, cut: int, cuts: list[int]):
    """A response that ends too early is short exactly where h11 says so."""
    data = data[: cut % (len(data) + 1)]
    assert ours(split(data, cuts)) == theirs(data)


@given(responses(), st.integers(0, 10_000), st.integers(0, 255), cuts)
@example(b"HTTP/1.0 204 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 41, ord("E"), [])
@settings(max_examples=600)
def test_damaged_responses_never_crash_nor_depend_on_the_splitting(
    data: bytes, place: int, byte: int, cuts: list[int]
):
    """One wrong byte anywhere gives one verdict, the same wherever the bytes are split."""
    place %= len(data)
    damaged = data[:place] + bytes([byte]) + data[place + 1 :]
    verdict = ours([damaged])
    assert ours(split(damaged, cuts)) == verdict
    # The two differ in which characters they forgive in a head, never in where a body ends.
    oracle = theirs(damaged)
    if verdict[0] == oracle[0] == "complete":
        assert verdict == oracle


@given(st.binary(max_size=200), cuts)
@example(b"SSH-2.0-OpenSSH_9.2\r\n", [])
@example(b"<html>", [])
@example(b"\x16\x03\x01\x02\x00", [])
def test_garbage_is_garbage(data: bytes, cuts: list[int]):
    """Bytes that are no HTTP are broken or short, for our reader as for h11."""
    unreadable = {"broken", "short"}  # h11 waits for a whole line before it calls it broken
    assert ours(split(data, cuts))[0] in unreadable
    assert theirs(data)[0] in unreadable


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: nameless\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    ],
)
def test_broken_framing_is_refused(data: bytes):
    """A response whose length is ambiguous is a protocol error, byte by byte too."""
    assert ours([data]) == ("broken",)
    assert ours([bytes([byte]) for byte in data]) == ("broken",)


def test_endless_headers_are_refused():
    """A server that never stops sending headers is cut off at the limit."""
    reader = ResponseReader()
    reader.feed(b"HTTP/1.1 200 OK\r\n")
    line = b"X-A: " + b"a" * 1000 + b"\r\n"
    for _ in range(MAX_HEAD_BYTES // len(line)):
        reader.feed(line)
    with pytest.raises(ProtocolError, match="bytes of headers"):
        reader.feed(line)


@pytest.mark.parametrize(
    ("data", "alive"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 204 No\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 O", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok??", False),
    ],
)
def test_a_connection_is_kept_only_when_that_is_safe(data: bytes, *, alive: bool):
    """Close, HTTP/1.0, and bytes that were not requested all end a connection's use."""
    reader = ResponseReader()
    assert reader.feed(data)
    assert (reader.body, reader.keep_alive) == (b"ok" if b"204" not in data else b"", alive)


@given(st.lists(st.tuples(st.binary(max_size=4).map(bytes.hex), bodies.map(bytes.hex))), cuts)
def test_one_header_is_found_as_all_are(headers: list[tuple[str, str]], cuts: list[int]):
    """Looking for one header finds what reading all of them does, however its name is written."""
    lines = [(f"X{name.upper()}".encode(), value.encode()) for name, value in headers]
    reader = ResponseReader()
    for piece in split(b"HTTP/1.1 204 No" + encode_headers(lines) + b"\r\n\r\n", cuts):
        reader.feed(piece)
    every = Headers(reader.headers)
    for name, _ in lines:
        assert b", ".join(values_of(reader.headers, name.lower())).decode() == every[name.decode()]
        assert values_of(reader.headers, name.lower() + b"-not") == []
        assert values_of(reader.headers, name.lower()[1:]) == []


def test_empty_lines_before_a_head_are_none_of_it():
    """Empty lines before a response, or between an interim one and it, are skipped."""
    data = b"\r\n\r\nHTTP/1.1 103 Early\r\nA: 1\r\n\r\n\r\n\r\nHTTP/1.1 204 No\r\nB: 2\r\n\r\n"
    for pieces in ([data], [bytes([byte]) for byte in data]):
        assert ours(pieces) == ("complete", 204, {"b": "2"}, b"")


@given(st.lists(st.tuples(st.sampled_from(["GET", "HEAD"]), bodies), min_size=1, max_size=5))
def test_one_reader_reads_response_after_response(exchanges: list[tuple[str, bytes]]):
    """On a kept connection each response is its request's own, after HEAD too."""
    reader = ResponseReader()
    for method, body in exchanges:
        reader.begin(method)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        assert reader.feed(head + (b"" if method == "HEAD" else body))
        assert reader.body == (b"" if method == "HEAD" else body)
        assert reader.keep_alive


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    st.text("abc/%?=&-", max_size=12),
    st.dictionaries(token.map(lambda name: f"X-{name}"), st.text("ab c\u00e9", max_size=5)),
    st.none() | bodies,
)
def test_what_is_sent_is_what_a_server_reads(
    method: str, path: str, headers: dict[str, str], content: bytes | None
):
    """h11, as a server, reads the very request that was worded."""
    request = User(0).request(method, f"/{path}", headers=headers, content=content)
    server = h11.Connection(h11.SERVER)
    server.receive_data(encode(request, b"localhost:1") + b"")
    head = server.next_event()
    assert isinstance(head, h11.Request)
    assert head.method.decode() == method
    assert head.target.decode() == request.target
    got = {name.decode(): value.decode("latin-1") for name, value in head.headers}
    assert got["host"] == "localhost:1"
    for name in {name.lower() for name in headers}:
        sent = [value for key, value in headers.items() if key.lower() == name]
        assert got[name] in {value.strip() for value in sent}
    body = b""
    while isinstance(event := server.next_event(), h11.Data):
        body += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    assert body == (content or b"")


def test_an_uploads_head_announces_its_body():
    """An upload's head carries its type and exact length; the body follows apart."""
    upload = Upload({"a": "b"}, {"file": FilePart(b"123")})
    server = h11.Connection(h11.SERVER)
    server.receive_data(encode(User(0).post("/x", upload=upload), b"h"))
    head = server.next_event()
    assert isinstance(head, h11.Request)
    assert dict(head.headers)[b"content-length"] == str(upload.length).encode()
    for chunk in upload.chunks():
        server.receive_data(chunk)
    with contextlib.suppress(h11.RemoteProtocolError):
        while isinstance(event := server.next_event(), h11.Data):
            pass
        assert isinstance(event, h11.EndOfMessage)
