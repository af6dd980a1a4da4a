"""Captured requests, whatever program has written them."""

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from straingauge.json_text import parse_json
from straingauge.scaffold.captured.form_part import parse_parts, without_lost

Pairs: TypeAlias = list[tuple[str, str]]
Body: TypeAlias = tuple[str, Any]
"""Option of a request (json, form, upload or content) and its value.

That of an upload is its list of `FormPart`; a content is text, bytes, or the path of a file.
"""

_DEEPEST: Final = 50  # levels of JSON; Python's parser accepts 200 brackets
_MISSING: Final = object()
FORM: Final = "application/x-www-form-urlencoded"
# Pairs that stay the same if they are parsed and encoded again; a=%zz or abc does not.
_WHOLE_FORM: Final = re.compile(
    r"(?:(?:[^%&=]|%[0-9A-Fa-f]{2})+=(?:[^%&]|%[0-9A-Fa-f]{2})*(?:&|\Z))*"
)
MULTIPART: Final = "multipart/form-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedRequest:
    """A request as it was captured.

    Attributes:
        method: The method, in capitals.
        url: The whole URL, without a fragment.
        headers: Its headers.
        body: The body; None without one.
        expect: Statuses that mean success; empty for those of any request.
        pause_s: Time without a request before it.
        follow_redirects: Its redirects were followed.
        known_cookies: Names of the cookies that earlier responses have set.
        credentials: Values that are secret, whatever their names.
    """

    method: str
    url: str
    headers: Pairs = field(default_factory=list)
    body: Body | None = None
    expect: Sequence[int] = ()
    pause_s: float = 0.0
    follow_redirects: bool = False
    known_cookies: frozenset[str] = frozenset()
    credentials: frozenset[str] = frozenset()

    @property
    def origin(self) -> str:
        """Scheme, host and port, without a default port; empty if it is no HTTP URL."""
        return origin_of(self.url)

    def header(self, name: str) -> str | None:
        """Return the value of a header."""
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(slots=True)
class Capture:
    """Captured requests by journey.

    Attributes:
        source: Where they come from, for people.
        title: Title of the suite.
        journeys: Requests of each journey, by its name.
        skipped: Number of requests that are not used, by the reason.
        notes: What else a user should know.
    """

    source: str
    title: str
    journeys: dict[str, list[CapturedRequest]] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    @property
    def requests(self) -> list[CapturedRequest]:
        """The requests of all journeys."""
        return [request for requests in self.journeys.values() for request in requests]


def origin_of(url: str) -> str:
    """Return scheme, host and port, without a default port; empty if it is no HTTP URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        return ""
    scheme, host = parts.scheme.lower(), parts.hostname
    name = f"[{host}]" if ":" in host else host
    is_default = port in (None, 443 if scheme == "https" else 80)
    return f"{scheme}://{name}" if is_default else f"{scheme}://{name}:{port}"


def body_of(given: str | bytes, content_type: str) -> Body | None:
    """Return a body by its content type: JSON, a form, a multipart form, or else its content.

    Args:
        given: The body as text, or as the bytes that were sent.
        content_type: Its Content-Type.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if not given:
        return None
    parts = parse_parts(_encoded(given), content_type) if kind == MULTIPART else None
    if parts is not None:
        return "upload", without_lost(parts) if isinstance(given, str) else parts
    text = _decoded(given)
    if text is None:
        return "content", given
    if kind == FORM and _WHOLE_FORM.fullmatch(text):
        return "form", parse_qsl(text, keep_blank_values=True)
    value = _MISSING
    if kind == "application/json" or kind.endswith("+json"):
        with suppress(ValueError):
            value = parse_json(text)
    return ("json", value) if value is not _MISSING and is_shallow(value) else ("content", text)


def _encoded(given: str | bytes) -> bytes:
    return given.encode("utf-8", "surrogatepass") if isinstance(given, str) else given


def _decoded(given: str | bytes) -> str | None:
    """Return a body as text; None if it is none."""
    if isinstance(given, str):
        return given
    try:
        return given.decode()
    except UnicodeDecodeError:
        return None


def is_shallow(value: object, levels: int = _DEEPEST) -> bool:
    """Return whether a JSON value has at most this many levels, so that source can show it."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(is_shallow(each, levels - 1) for each in inner)
