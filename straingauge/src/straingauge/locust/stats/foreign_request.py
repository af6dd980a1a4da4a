"""Requests of other clients, read from Locust's request event, which any code may fire.

Not every client speaks HTTP, and nothing checks an event's values: a status may be an enum or a
text, a time negative or not a number, and a key may be missing. A value of the wrong kind
counts as not given, so that each request is counted, as Locust counts it.
"""

import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from operator import index
from time import monotonic_ns
from typing import Any, Final

import requests
from geventhttpclient._parser import HTTPParseError
from geventhttpclient.response import HTTPConnectionClosed

from straingauge.http import ErrorKind, RawHeaders, Request, RequestFailed, encode_headers
from straingauge.http.address import is_out_of_sockets
from straingauge.locust.http.response import LocustResponse, failure_of

_KINDS: Final[tuple[tuple[tuple[type[BaseException], ...], ErrorKind], ...]] = (
    ((ConnectionRefusedError,), ErrorKind.REFUSED),
    ((TimeoutError, requests.Timeout), ErrorKind.TIMEOUT),
    ((ssl.SSLError, requests.exceptions.SSLError), ErrorKind.TLS),
    ((HTTPConnectionClosed, requests.exceptions.ChunkedEncodingError), ErrorKind.SHORT_BODY),
    ((HTTPParseError,), ErrorKind.PROTOCOL),
)
_MAX_WRAPPED: Final = 8  # requests wraps an error of the socket four times


@dataclass(frozen=True, slots=True)
class ForeignRequest:
    """A request of another client.

    Attributes:
        endpoint: The type and the name.
        sent_ns: When it was sent (`time.monotonic_ns`), by its response time.
        done_ns: When it ended.
        is_timed: The event had a response time.
        status: The HTTP status; 0 without one.
        headers: The headers of the response, except for the content encoding, which the client
            has removed.
        failure: Why it failed; None if it did not.
    """

    endpoint: str
    sent_ns: int
    done_ns: int
    is_timed: bool
    status: int
    headers: RawHeaders
    failure: RequestFailed | None

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "ForeignRequest":
        """Read the arguments of a request event that was fired now."""
        method, name = (_text(event.get(key) or "unnamed") for key in ("request_type", "name"))
        done_ns = monotonic_ns()
        response_ns = _nanoseconds(event.get("response_time"), done_ns)
        sent_ns = done_ns - (response_ns or 0)
        status = _status(_attribute(event.get("response"), "status_code"))
        headers = encode_headers(_headers(_attribute(event.get("response"), "headers")))
        failure = None
        if exception := event.get("exception"):  # as Locust does: "" or False is no failure
            failed = LocustResponse(Request(method, name, name), sent_ns)
            failed.status, failed.raw_headers = status, headers
            failure = _failure(failed, exception)
        return cls(
            f"{method} {name}",
            sent_ns,
            done_ns,
            response_ns is not None,
            status,
            headers,
            failure,
        )


def _attribute(of: object, name: str) -> Any:  # noqa: ANN401  of any type
    """Return an attribute; None if there is none or reading it fails."""
    try:
        return getattr(of, name, None)
    except Exception:  # noqa: BLE001  a property of a foreign class may raise anything
        return None


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001  a foreign class may raise anything
        return type(value).__name__


def _nanoseconds(response_ms: Any, now_ns: int) -> int | None:  # noqa: ANN401  of any type
    """Convert a response time; None if it is none, as one that began before the machine did."""
    try:
        number = float(response_ms) * 1e6
    except (TypeError, ValueError, OverflowError):
        return None
    return round(number) if isfinite(number) and 0 <= number <= now_ns else None


def _status(value: Any) -> int:  # noqa: ANN401  of any type
    """Return an HTTP status (RFC 9110, section 15: three digits); 0 if it is none."""
    try:
        # `index` takes numpy's integers and `http.HTTPStatus` as well.
        number = int(value) if isinstance(value, str | float) else index(value)
    except (TypeError, ValueError, OverflowError):
        return 0
    return number if 100 <= number <= 999 and not isinstance(value, bool) else 0


def _headers(headers: Any) -> Iterator[tuple[bytes, bytes]]:  # noqa: ANN401  of any type
    """Yield the names and values of a mapping or of pairs; what is neither has none."""
    items = _attribute(headers, "items")
    try:
        pairs = list(items() if callable(items) else headers or ())
    except Exception:  # noqa: BLE001  a foreign class may raise anything
        return
    for pair in pairs:
        if not isinstance(pair, Iterable) or isinstance(pair, str | bytes):
            continue
        parts = list(islice(pair, 3))
        if len(parts) != 2:
            continue
        name, value = (_latin(each) for each in parts)
        if name.strip() and name.lower() != b"content-encoding":
            yield name.strip(), value


def _latin(value: object) -> bytes:
    """Encode a part of a header as one line."""
    data = value if isinstance(value, bytes) else _text(value).encode("latin-1", errors="replace")
    return b" ".join(data.split())


def _failure(response: LocustResponse, exception: object) -> RequestFailed:
    """Classify a foreign exception, which may be a text."""
    if isinstance(exception, RequestFailed):
        return exception
    detail = _text(exception) or type(exception).__name__
    if response.status:
        return failure_of(response, Exception(detail))
    found = _wrapped(exception)
    if any(is_out_of_sockets(each) for each in found):
        return RequestFailed(ErrorKind.OUT_OF_SOCKETS, detail)
    for types, kind in _KINDS:
        if any(isinstance(each, types) for each in found):
            return RequestFailed(kind, detail)
    is_socket_error = any(isinstance(each, OSError) for each in found)
    return RequestFailed(ErrorKind.RESET if is_socket_error else ErrorKind.PROTOCOL, detail)


def _wrapped(exception: object) -> list[BaseException]:
    """Return an exception and those that it was raised for, as urllib3 and requests keep them."""
    found: list[BaseException] = []
    following = [exception]
    while following and len(found) < _MAX_WRAPPED:
        each = following.pop()
        if isinstance(each, BaseException) and not any(each is known for known in found):
            found.append(each)
            following += [*each.args, _attribute(each, "reason"), each.__cause__]
    return found
