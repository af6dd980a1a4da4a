"""Captured requests as Python source."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from straingauge.http.headers import TOKEN
from straingauge.http.redirects import path_pattern
from straingauge.scaffold.captured.capture import FORM, CapturedRequest
from straingauge.scaffold.captured.form_part import FormPart
from straingauge.scaffold.captured.secrets import Secrets, is_secret_name
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


class SecretPlaceError(Exception):
    """A secret is where no variable can stand; the text is the place."""


def endpoint_of(request: CapturedRequest) -> str:
    """Return method and path, with {id} for what is different each time."""
    return f"{request.method} {path_pattern(urlsplit(request.url).path or '/', '')}"


def request_code(request: CapturedRequest, secrets: Secrets) -> str:
    """Return the call that makes a request, for a line of a journey.

    Args:
        request: The request.
        secrets: Gets its secrets, in whose place the source has variables.

    Raises:
        SecretPlaceError: A secret is where no variable can stand.
    """
    parts = urlsplit(request.url)
    path = parts.path or "/"
    secrets.add_known(request.credentials)
    if secrets.is_in(path) or secrets.is_in(unquote(path)):
        raise SecretPlaceError("in the path")
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
            if (request.body or ("",))[0] == "upload":
                continue  # the new body has another boundary
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
    if option == "upload":
        return f"upload={_upload(value, secrets)}"
    if isinstance(value, Path):
        return f"content=({_path(value)}).read_bytes()"
    return f"content={literal(_content(value, secrets), 8)}"


def _content(value: str | bytes, secrets: Secrets) -> str | bytes | Source:
    """Return text or bytes, or a variable if a secret is in them; raises SecretPlaceError."""
    if isinstance(value, str):
        return secrets.body(value)
    try:
        text = value.decode()
    except UnicodeDecodeError:
        if secrets.is_in(value.decode("latin-1")):
            raise SecretPlaceError("in a body that is no text") from None
        return value
    found = secrets.body(text)
    return Source(f"{found.code}.encode()") if isinstance(found, Source) else value


def _upload(parts: Sequence[FormPart], secrets: Secrets) -> str:
    fields = [
        (part.name, secrets.text(part.name, str(part.content), "field"))
        for part in parts
        if part.is_field
    ]
    files = [(part.name, Source(_file(part, secrets))) for part in parts if not part.is_field]
    return f"Upload({_pairs(fields)}, {_pairs(files)})"


def _file(part: FormPart, secrets: Secrets) -> str:
    if isinstance(part.content, Path):
        content = _path(part.content)
    elif is_secret_name(part.name):
        text = part.content if isinstance(part.content, str) else part.content.decode("latin-1")
        content = f"{secrets.text(part.name, text, 'field')!r}.encode()"
    else:
        given = part.content.encode() if isinstance(part.content, str) else part.content
        content = literal(_content(given, secrets))
    name = "" if part.filename is None else secrets.text("file name", part.filename, "field")
    return f"FilePart({content}, {literal(name)}, {literal(part.content_type)})"


def _path(path: Path) -> str:
    """Return a path as source: within the suite unless it is absolute."""
    return f"Path({literal(str(path))})" if path.is_absolute() else f"HERE / {literal(str(path))}"


def _pairs(pairs: Sequence[tuple[str, str | Source]]) -> str:
    """Return pairs as source: a dict, or a list if a name occurs twice."""
    names = [name for name, _ in pairs]
    if len(set(names)) == len(names):
        return literal(dict(pairs), 8)
    return literal([[name, value] for name, value in pairs], 8)
