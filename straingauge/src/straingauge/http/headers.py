"""A response's headers, kept as the bytes they came in: most are never asked for."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TypeAlias

RawHeaders: TypeAlias = bytes
"""A valid head (RFC 9112) without its end: what starts it, then CRLF and a line for each header."""


def encode_headers(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """Names and values as they would have come."""
    return b"".join(b"\r\n%s: %s" % header for header in headers)


def values_of(raw: RawHeaders, name: bytes) -> list[bytes]:
    """All values of one header, in order; the others are not looked at.

    Args:
        raw: the headers.
        name: in any case.
    """
    return [value.rstrip(b" \t") for value in _line(name).findall(raw)]


@lru_cache(maxsize=64)
def _line(name: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"\r\n%s:[ \t]*([^\r]*)" % re.escape(name), re.IGNORECASE)


class Headers(Mapping[str, str]):
    """A response's headers; names are case-insensitive, repeated ones are joined by ", "."""

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
