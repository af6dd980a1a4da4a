"""Access logs with one JSON object a line, whose field names are guessed."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from straingauge.replay.client import client_of
from straingauge.replay.line_formats import (
    COMMON,
    UVICORN,
    LogFormat,
    split_request,
    without_origin,
)
from straingauge.replay.log_time import parse_log_time
from straingauge.replay.request import RecordedRequest

# The names that nginx, Apache, Caddy, Traefik, Envoy, HAProxy, AWS and GCP load balancers, ECS and
# OpenTelemetry use, in lower case; a dot stands for a nested object. The first one found is taken.
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "time": (
        *("time_iso8601", "@timestamp", "timestamp", "time", "start_time", "startutc", "ts"),
        *("time_local", "msec", "datetime", "date", "asctime"),
    ),
    "method": (
        *("request_method", "method", "http_method", "requestmethod", "verb"),
        *("request.method", "httprequest.requestmethod", "http.request.method", "http.method"),
    ),
    "target": (
        *("request_uri", "uri", "target", "path", "url", "requestpath", "request_path"),
        *("request.uri", "request.url", "httprequest.requesturl", "url.original", "url.path"),
        *("http.target", "http.url", "full_path", "raw_path"),
    ),
    "query": ("query_string", "args", "query", "url.query"),
    "request": ("request", "request_line", "req"),
    "status": (
        *("status", "status_code", "response_code", "downstreamstatus", "code", "statuscode"),
        *("response.status", "httprequest.status", "http.response.status_code"),
        "http.status_code",
    ),
    "client": (
        *("remote_addr", "client_ip", "remote_ip", "clienthost", "client", "ip", "remote"),
        *("client_addr", "request.client_ip", "request.remote_ip", "request.remote_addr"),
        *("httprequest.remoteip", "client.ip", "client.address", "client.host", "source.ip"),
        *("client_host", "remoteaddress", "remote_address", "remote_host"),
    ),
    "agent": (
        *("http_user_agent", "user_agent", "useragent", "agent", "request_user-agent"),
        *("request.headers.user-agent", "httprequest.useragent", "user_agent.original"),
    ),
}
_DEPTH: Final = 3
# Programs nest a record in objects, such as record.extra (loguru) or req (pino). Not for times:
# response.time is a duration.
_NESTED: Final = frozenset({"method", "target", "status", "client", "agent"})
_TIMES: Final = ("time.timestamp", "timestamp")
# A line of another format: of Docker, of Google's logging, and of loggers.
_MESSAGES: Final = ("log", "message", "msg", "textpayload", "event", "text")


def json_format(lines: Iterable[str]) -> LogFormat:
    """Guess the names of the fields from some lines.

    Args:
        lines: Lines of the log; those that are no JSON object are skipped.

    Returns:
        The format; its name says which fields are taken for what. It parses no line if there is no
        request in the fields.
    """
    records = [*map(_flat, lines)]
    seen = {name for record in records for name in record}
    found = {role: _name(role, names, seen) for role, names in NAMES.items()}
    fields = {role: name for role, name in found.items() if name is not None}
    if "method" in fields and "target" in fields:
        fields.pop("request", None)
    has_request = "request" in fields or {"method", "target"} <= fields.keys()
    if not has_request:
        return _format_of_messages(records, fields.get("time", ""))
    taken = ", ".join(f"{role} from {name}" for role, name in fields.items())

    def parse(line: str) -> RecordedRequest | None:
        return _parse(_flat(line), fields)

    return LogFormat(f"JSON lines ({taken})", parse)


def _name(role: str, names: Iterable[str], seen: Collection[str]) -> str | None:
    """Return the field for a role: by its whole name, else by the end of a nested one."""
    for name in names:
        if name in seen:
            return name
    ends = names if role in _NESTED else _TIMES if role == "time" else ()
    return next((each for end in ends for each in sorted(seen) if each.endswith(f".{end}")), None)


def _format_of_messages(records: Iterable[Mapping[str, Any]], time: str) -> LogFormat:
    """Return the format of objects that have lines of another format in one of their fields."""
    counts: Counter[tuple[str, LogFormat]] = Counter()
    for record in records:
        for name in _MESSAGES:
            text = _text(record.get(name)).strip()
            counts.update((name, inner) for inner in (COMMON, UVICORN) if inner.parse(text))
    if not counts:
        return LogFormat("JSON lines", lambda _: None)
    ((name, inner), _), *_ = counts.most_common(1)

    def parse(line: str) -> RecordedRequest | None:
        record = _flat(line)
        request = inner.parse(_text(record.get(name)).strip())
        if request is None or request.at_ns:
            return request
        return replace(request, at_ns=parse_log_time(record.get(time)) or 0)

    return LogFormat(f"JSON lines ({inner.name} from {name})", parse)


def _parse(record: Mapping[str, Any], fields: Mapping[str, str]) -> RecordedRequest | None:
    found = {role: record.get(name) for role, name in fields.items()}
    at_ns = parse_log_time(found.get("time"))
    if not record or ("time" in fields and at_ns is None):
        return None
    if "request" in fields:
        method, target = split_request(str(found["request"]))
    else:
        method = str(found["method"] or "").upper()
        target = without_origin(str(found["target"] or ""))
    query = found.get("query")
    if isinstance(query, str) and query.strip("?-") and "?" not in target:
        target = f"{target}?{query.removeprefix('?')}"
    status = str(found.get("status"))
    return RecordedRequest(
        method,
        target,
        int(status) if status.isdecimal() and len(status) == 3 else 0,
        at_ns or 0,
        client_of(_text(found.get("client"))),
        _text(found.get("agent")),
    )


def _text(value: object) -> str:
    if isinstance(value, list) and value:  # Caddy lists the values of a header
        value = value[0]
    return value if isinstance(value, str) else ""


def _flat(line: str) -> dict[str, Any]:
    """Return the fields of a JSON object, in lower case and with dots; empty if it is none."""
    try:
        record = orjson.loads(line)
    except ValueError:
        return {}
    return dict(_fields(record, "", _DEPTH)) if isinstance(record, dict) else {}


def _fields(record: Mapping[str, Any], before: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, dict) and depth > 1:
            yield from _fields(value, f"{before}{name.lower()}.", depth - 1)
        else:
            yield f"{before}{name.lower()}", value
