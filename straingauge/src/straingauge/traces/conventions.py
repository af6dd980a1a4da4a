"""Attributes of spans by OpenTelemetry's semantic conventions, old and new.

Names changed when the conventions for HTTP (1.23) and databases (1.33) became stable; services use
both. https://opentelemetry.io/docs/specs/semconv/
"""

import re
from typing import Final
from urllib.parse import urlsplit

from straingauge.result.format.traces import SpanCategory
from straingauge.traces.span import Span, SpanKind

_DATABASE: Final = ("db.system.name", "db.system")
_STATEMENT: Final = ("db.query.text", "db.statement")
_METHOD: Final = ("http.request.method", "http.method")
_URL: Final = ("url.full", "http.url")
_PATH: Final = ("url.path", "http.target", "http.route")
_STATUS: Final = ("http.response.status_code", "http.status_code")
_HOST: Final = ("server.address", "net.peer.name", "peer.service", "net.peer.ip")
_PORT: Final = ("server.port", "net.peer.port")
_TRANSFER: Final = ("asgi.event.type",)
ATTRIBUTES: Final = frozenset(
    (*_DATABASE, *_STATEMENT, *_METHOD, *_URL, *_PATH, *_STATUS, *_HOST, *_PORT, *_TRANSFER)
)
_CACHES: Final = frozenset({"redis", "valkey", "memcached", "keydb", "dragonfly"})
_SERVER_ERROR: Final = 500

_TEXT: Final = re.compile(r"'(?:[^']|'')*'")
_NUMBER: Final = re.compile(r"(?<![\w$.\"])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w\"])")
_PLACE: Final = r"(?:\?|%s|\$\d+(?:::[\w ]+)?)"
_LIST: Final = re.compile(rf"\(\s*(?:{_PLACE}\s*,\s*)+{_PLACE}\s*\)")
_LOCK: Final = re.compile(
    r"\bfor\s+(no\s+key\s+)?(update|share)\b|\block\s+table\b|\bpg_(try_)?advisory|\bget_lock\s*\(",
    re.IGNORECASE,
)


def category(span: Span) -> SpanCategory:
    """Return what a span stands for."""
    if (system := _text(span, _DATABASE)) is not None:
        return "cache" if system.lower() in _CACHES else "database"
    if span.kind in (SpanKind.SERVER, SpanKind.CONSUMER):
        return "server"
    if span.kind is SpanKind.CLIENT:
        return "http" if _first(span, (*_METHOD, *_URL)) is not None else "other"
    return "other" if span.kind is SpanKind.PRODUCER else "own"


def is_transfer(span: Span) -> bool:
    """Return true for a span in which the request is read or the response sent (ASGI)."""
    return _first(span, _TRANSFER) is not None


def statement(span: Span) -> str | None:
    """Return the statement of a database span without its values; None without one."""
    text = _text(span, _STATEMENT)
    return without_values(text) if text else None


def without_values(text: str) -> str:
    """Return a statement without its values, so that repetitions are equal."""
    text = _NUMBER.sub("?", _TEXT.sub("?", " ".join(text.split())))
    return _LIST.sub("(...)", text)


def asks_for_lock(text: str) -> bool:
    """Return true for a statement that asks for a lock by its words."""
    return _LOCK.search(text) is not None


def host(span: Span) -> str:
    """Return the host and port that a client span calls; empty if it does not say so."""
    url = _text(span, _URL)
    if url and (netloc := _netloc(url)):
        return netloc
    name, port = _text(span, _HOST) or "", _first(span, _PORT)
    return f"{name}:{port}" if name and port is not None else name


def is_failed_call(span: Span) -> bool:
    """Return true for a call that failed or was answered with status 5xx."""
    status = _first(span, _STATUS)
    return span.is_error or (isinstance(status, int) and status >= _SERVER_ERROR)


def detail(span: Span) -> str:
    """Return the statement of a span, or its URL without the query; empty without both."""
    if (text := statement(span)) is not None:
        return text
    url = _text(span, _URL)
    if url:
        return _without_query(url)
    return (_text(span, _PATH) or "").partition("?")[0]


def _without_query(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _netloc(url: str) -> str:
    """Return host and port of a URL, without user and password."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def _first(span: Span, names: tuple[str, ...]) -> object:
    return next((span.attributes[name] for name in names if name in span.attributes), None)


def _text(span: Span, names: tuple[str, ...]) -> str | None:
    found = _first(span, names)
    return found if isinstance(found, str) else None
