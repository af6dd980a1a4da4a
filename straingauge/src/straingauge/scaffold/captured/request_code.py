"""Captured requests as Python source."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from straingauge.http.headers import TOKEN
from straingauge.http.redirects import path_pattern
from straingauge.scaffold.captured.capture import FORM, CapturedRequest
from straingauge.scaffold.captured.secrets import Secrets
from straingauge.scaffold.source import WIDTH, literal
from straingauge.scaffold.values import Source

_DROPPED: Final = frozenset(
    (
        *("host", "content-length", "connection", "accept-encoding", "user-agent", "referer"),
        *("origin", "te", "priority", "dnt", "cache-control", "pragma", "keep-alive", "expect"),
        *("upgrade-insecure-requests", "if-none-match", "if-modified-since", "traceparent"),
        *("tracestate", "transfer-encoding", "proxy-connection", "upgrade", "postman-token"),
    )
)
"""Headers of the client itself, of its cache, or that the engine sets."""

_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_SUCCESS: Final = (200, 201, 202, 204)


def endpoint_of(request: CapturedRequest) -> str:
    """Return method and path, with {id} for what is different each time."""
    return f"{request.method} {path_pattern(urlsplit(request.url).path or '/', '')}"


def request_code(request: CapturedRequest, secrets: Secrets) -> str | None:
    """Return the call that makes a request, for a line of a journey.

    Args:
        request: The request.
        secrets: Gets its secrets, in whose place the source has variables.

    Returns:
        The source; None if the path has a secret.
    """
    parts = urlsplit(request.url)
    path = parts.path or "/"
    secrets.add_known(request.credentials)
    if secrets.is_in(path) or secrets.is_in(unquote(path)):
        return None
    query = parse_qsl(parts.query, keep_blank_values=True)
    protected = [(name, secrets.text(name, value, "parameter")) for name, value in query]
    options = []
    if any(isinstance(value, Source) for _, value in protected):
        options.append(f"params={_pairs(protected)}")
    elif parts.query:
        path = f"{path}?{parts.query}"
    name = endpoint_of(request)
    if name != f"{request.method} {parts.path or '/'}":
        options.append(f"name={literal(name)}")
    headers = _headers(request, secrets)
    if headers:
        options.append(f"headers={literal(headers, 8)}")
    if request.body is not None:
        options.append(_body(request.body, secrets))
    expect = request.expect or (() if request.method in ("GET", "HEAD") else _SUCCESS)
    if expect and [*expect] != [200]:
        options.append(f"expect={literal([*expect])}")
    if request.follow_redirects:
        options.append("follow_redirects=True")
    return _call(request.method, [literal(path), *options])


def _call(method: str, arguments: Sequence[str]) -> str:
    call = f"user.{method.lower()}"
    if method not in _METHODS:
        call, arguments = "user.request", [literal(method), *arguments]
    one = f"{call}({', '.join(arguments)})"
    if len(one) + len("    yield ") <= WIDTH and "\n" not in one:
        return one
    return f"{call}(\n" + "".join(f"        {each},\n" for each in arguments) + "    )"


def _headers(request: CapturedRequest, secrets: Secrets) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    content = request.header("content-type") or ""
    set_by_body = {"json": "application/json", "form": FORM}.get((request.body or ("",))[0])
    for name, value in request.headers:
        lower = name.lower()
        if lower in _DROPPED or lower.startswith(("sec-", ":")) or not TOKEN.fullmatch(name):
            continue
        if not value.isprintable():
            continue
        if lower == "cookie":
            if not _cookie_names(value) <= request.known_cookies:
                headers[name] = secrets.variable("cookie", value, "header Cookie")
        elif lower == "content-type":
            if request.body is not None and content.partition(";")[0].strip() != set_by_body:
                headers[name] = value
        elif (lower, value) != ("accept", "*/*"):
            headers[name] = secrets.header(name, value)
    return headers


def _cookie_names(value: str) -> frozenset[str]:
    return frozenset(part.partition("=")[0].strip() for part in value.split(";") if part.strip())


def _body(body: tuple[str, Any], secrets: Secrets) -> str:
    option, value = body
    if option == "json":
        return f"json={literal(secrets.json('', value), 8)}"
    if option == "form":
        return f"form={_pairs([(name, secrets.text(name, each, 'field')) for name, each in value])}"
    return f"content={literal(secrets.body(value), 8)}"


def _pairs(pairs: Sequence[tuple[str, str | Source]]) -> str:
    """Return pairs as source: a dict, or a list if a name occurs twice."""
    names = [name for name, _ in pairs]
    if len(set(names)) == len(names):
        return literal(dict(pairs), 8)
    return literal([[name, value] for name, value in pairs], 8)
