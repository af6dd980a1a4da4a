"""Access logs with one JSON object a line, whose field names are guessed."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from straingauge.replay.line_formats import (
    LogFormat,
    split_request,
    without_origin,
    without_port,
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
        *("http.target", "http.url"),
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
        *("httprequest.remoteip", "client.ip", "client.address", "source.ip"),
    ),
    "agent": (
        *("http_user_agent", "user_agent", "useragent", "agent", "request_user-agent"),
        *("request.headers.user-agent", "httprequest.useragent", "user_agent.original"),
    ),
}
_DEPTH: Final = 3


def json_format(lines: Iterable[str]) -> LogFormat:
    """Guess the names of the fields from some lines.

    Args:
        lines: Lines of the log; those that are no JSON object are skipped.

    Returns:
        The format; its name says which fields are taken for what. It parses no line if there is no
        request in the fields.
    """
    seen = {name for line in lines for name in _flat(line)}
    fields = {
        role: next(name for name in names if name in seen)
        for role, names in NAMES.items()
        if seen & set(names)
    }
    if "method" in fields and "target" in fields:
        fields.pop("request", None)
    has_request = "request" in fields or {"method", "target"} <= fields.keys()
    if not has_request:
        fields = {}
    taken = ", ".join(f"{role} from {name}" for role, name in fields.items())

    def parse(line: str) -> RecordedRequest | None:
        return _parse(_flat(line), fields) if fields else None

    return LogFormat(f"JSON lines ({taken})" if taken else "JSON lines", parse)


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
        without_port(_text(found.get("client"))),
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
