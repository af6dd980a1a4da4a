"""Formats of access logs: lines of text to requests."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from straingauge.replay.client import client_at_end, client_before
from straingauge.replay.log_time import parse_log_time
from straingauge.replay.request import RecordedRequest

Parse: TypeAlias = Callable[[str], RecordedRequest | None]
"""Parse a line; None if it does not have the format."""

_QUOTED: Final = r'((?:[^"\\]|\\.)*)'
# What comes before the time is parsed apart: prefixes of programs, the host, the client. Flask,
# Django and aiohttp write no user, Django no client either; the sizes may be missing.
_COMMON: Final = re.compile(
    rf'(.*?)\[([^\]]{{10,40}})\] "{_QUOTED}" (\d{{3}}|-)'
    rf'(?: (?:\d+|-)(?: "{_QUOTED}" "{_QUOTED}")?)?(?: .*)?'
)
_UVICORN: Final = re.compile(rf'{_QUOTED}" (\d{{3}})\b.*')
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_COLOUR: Final = re.compile("\x1b\\[[0-9;]*m")
_REQUEST: Final = re.compile(
    r"([A-Za-z]{3,20}) (\S+)(?: (?:HTTP/)?\d(?:\.\d)?)?"
)  # hypercorn: GET / 1.1
_ORIGIN: Final = re.compile("https?://[^/?#]*", re.IGNORECASE)
_ESCAPE: Final = re.compile(r'\\(?:x([0-9A-Fa-f]{2})|(["\\]))')


@dataclass(frozen=True, slots=True)
class LogFormat:
    """A format of access logs.

    Attributes:
        name: Its name in messages.
        parse: Parses a line.
    """

    name: str
    parse: Parse


def split_request(line: str) -> tuple[str, str]:
    """Return method and target of a request line; empty if it is none."""
    found = _REQUEST.fullmatch(line)
    return (found[1].upper(), without_origin(found[2])) if found is not None else ("", "")


def without_origin(target: str) -> str:
    """Return path and query of a target, which a proxy may write as a whole URL."""
    found = _ORIGIN.match(target)
    if found is None:
        return target
    rest = target[found.end() :]
    return rest if rest.startswith("/") else f"/{rest}"


def parse_common(line: str) -> RecordedRequest | None:
    """Parse a line of the common or combined log format (Apache, nginx, gunicorn), or like it."""
    found = _COMMON.fullmatch(_COLOUR.sub("", line) if "\x1b" in line else line)
    if found is None:
        return None
    head, time, request, status, _, agent = found.groups()
    at_ns = parse_log_time(time)
    if at_ns is None:
        return None
    method, target = split_request(_unescape(request) if "\\" in request else request)
    return RecordedRequest(
        method,
        target,
        0 if status == "-" else int(status),
        at_ns,
        client_before(head),
        "" if agent in (None, "-") else agent,
    )


def parse_uvicorn(line: str) -> RecordedRequest | None:
    """Parse a line of uvicorn's access log; its time, if any, comes before the client."""
    before, dash, after = _COLOUR.sub("", line).partition(' - "')
    found = _UVICORN.fullmatch(after)
    if not dash or found is None:
        return None
    request, status = found.groups()
    time = _ISO.search(before)
    at_ns = parse_log_time(time[0]) if time is not None else None
    method, target = split_request(request)
    if method == "WEBSOCKET":  # a handshake that was refused
        method = target = ""
    return RecordedRequest(method, target, int(status), at_ns or 0, client_at_end(before))


def _unescape(text: str) -> str:
    r"""Return a request line with its escapes percent-encoded: \x22 (nginx), \" (Apache)."""
    return _ESCAPE.sub(lambda found: f"%{found[1] or format(ord(found[2]), '02X')}", text)


COMMON: Final = LogFormat("common or combined (nginx, Apache)", parse_common)
UVICORN: Final = LogFormat("uvicorn", parse_uvicorn)
