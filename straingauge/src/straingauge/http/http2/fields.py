"""Header fields: from an encoded HTTP/1.1 request, and into a head as HTTP/1.1 has it."""

from collections.abc import Iterable
from typing import Final, TypeAlias

from straingauge.http.codec import ProtocolError
from straingauge.http.headers import RawHeaders, encode_headers

Fields: TypeAlias = list[tuple[bytes, bytes]]
"""Names in lower case, and values."""

# They concern one HTTP/1.1 connection, and make an HTTP/2 request malformed (RFC 9113, 8.2.2).
_OF_CONNECTION: Final = frozenset(
    {
        *(b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"),
        *(b"te", b"http2-settings"),
    }
)


def request_fields(head: bytes, scheme: bytes, base_path: bytes = b"") -> Fields:
    """Return the fields of a request.

    Args:
        head: What `codec.encode` returns, up to the empty line: the Host header comes first.
        scheme: "http" or "https".
        base_path: Precedes the path.
    """
    start, *lines = head.split(b"\r\n")
    method, target, _ = start.split(b" ")
    fields = [_field(line) for line in lines]
    return [
        (b":method", method),
        (b":scheme", scheme),
        (b":authority", fields[0][1]),
        (b":path", base_path + target),
        *(field for field in fields[1:] if field[0] not in _OF_CONNECTION),
    ]


def response_head(fields: Iterable[tuple[bytes, bytes]]) -> tuple[int, RawHeaders]:
    """Return the status of a response, and its head as `Response.raw_headers` has it.

    Args:
        fields: The fields, as `h2` has checked them.

    Raises:
        ProtocolError: The status is no number of three digits.
    """
    pseudo = {name: value for name, value in fields if name.startswith(b":")}
    status = pseudo[b":status"]
    if not (len(status) == 3 and status.isdigit()):
        raise ProtocolError(f"a response with the status {status!r}")
    others = (field for field in fields if not field[0].startswith(b":"))
    return int(status), b"HTTP/2 %b" % status + encode_headers(others)


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower(), value.strip(b" \t")
