"""Response headers, kept as received: most are never read."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A name of a header or a method (RFC 9110, section 5.6.2)."""

_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_SET_BY_CODEC: Final = frozenset({"host", "content-length", "transfer-encoding"})

RawHeaders: TypeAlias = bytes
"""A valid head (RFC 9112) without its end: a status line, then CRLF and a line for each header."""


def encode_headers(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """Encode names and values as a server would send them."""
    return b"".join(b"\r\n%s: %s" % header for header in headers)


def combine(*layers: Mapping[str, str]) -> dict[str, str]:
    """Combine headers to send: a later one replaces earlier ones of its name, in any case."""
    combined: dict[str, tuple[str, str]] = {}
    for layer in layers:
        for name, value in layer.items():
            combined[name.lower()] = name, value
    return dict(combined.values())


def require_sendable(name: str, value: object) -> None:
    """Check a header that a request shall have.

    Raises:
        ValueError: it is not text, has a line break, or follows from the request.
    """
    if not isinstance(value, str):
        raise ValueError(f"header {name!r} must be text, not {value!r}")  # noqa: TRY004  as below
    if not TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ValueError(f"header {name!r} cannot be sent: {value!r}")
    if name.lower() in _SET_BY_CODEC:
        raise ValueError(f"header {name!r} follows from the request and is not set by hand")


def values_of(raw: RawHeaders, name: bytes) -> list[bytes]:
    """Return all values of one header, in order, without decoding the others.

    Args:
        raw: the headers.
        name: name of the header, in upper or lower case.
    """
    return [value.rstrip(b" \t") for value in _line(name).findall(raw)]


@lru_cache(maxsize=64)
def _line(name: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"\r\n%s:[ \t]*([^\r]*)" % re.escape(name), re.IGNORECASE)


class Headers(Mapping[str, str]):
    """Response headers; names are case-insensitive, and repeated ones are joined by ", "."""

    __slots__ = ("_values",)

    def __init__(self, raw: RawHeaders) -> None:
        values: dict[str, str] = {}
        for line in raw.decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip(" \t")
            values[name] = f"{values[name]}, {value}" if name in values else value
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({self._values!r})"
