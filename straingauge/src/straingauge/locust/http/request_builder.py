"""Builds the requests of plain Locust calls, as `requests` and FastHttpUser would send them."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypedDict
from urllib.parse import urlsplit

from straingauge.http import Request, Upload
from straingauge.http.query import Pairs, encode_query
from straingauge.journey import User
from straingauge.locust.http.authentication import Auth, authorize
from straingauge.locust.http.cookies import Cookies, GivenCookies
from straingauge.locust.http.origin import Base
from straingauge.locust.http.request_body import JSON, Data, Files, encode_body
from straingauge.locust.http.response import GOOD
from straingauge.redaction import redact

_CODINGS: Final = "gzip, deflate"  # what `http.decoding` can undo
_REMEMBERED: Final = 64  # as in `journey.User`


class Options(TypedDict, total=False):
    """Options of a call in addition to its method and URL.

    `timeout` is for the whole response, in seconds; of a pair, as in `requests`, the second one
    counts. `cookies` are sent with this call alone.
    """

    data: Data
    json: Any
    files: Files | None
    params: Pairs | str | bytes | None
    headers: Mapping[str, str | bytes | None] | None
    auth: Auth | None
    cookies: GivenCookies | None
    timeout: float | tuple[float, float] | None


class BuiltRequest(NamedTuple):
    """A request and where to send it.

    Attributes:
        origin: scheme, host and port.
        host: Host header, if the caller has set it.
    """

    request: Request
    origin: str
    host: bytes | None


class RequestBuilder:
    """Builds the requests of one user.

    Args:
        user: its headers are sent with every request.
        base: relative URLs refer to it.
        cookies: cookies to send.
    """

    __slots__ = ("_base", "_cookies", "_plain", "_plain_headers", "_user")

    def __init__(self, user: User, base: Base, cookies: Cookies) -> None:
        self._user = user
        self._base = base
        self._cookies = cookies
        self._plain: dict[tuple[str, str, str | None], BuiltRequest] = {}
        self._plain_headers: dict[str, str] = {}

    def build(self, method: str, url: str, name: str | None, options: Options) -> BuiltRequest:
        """Build a request, or return an equal one built before.

        Raises:
            ValueError: it cannot be sent.
            TypeError: an option does not exist.
            UsageError: this kind of authentication is not supported.
        """
        if options or self._cookies.used:
            return self._build(method, url, name, **options)
        # As in `journey.User`: the most frequent request by far is the same plain one.
        headers = self._user.headers
        if headers != self._plain_headers or len(self._plain) > _REMEMBERED:
            self._plain.clear()
            self._plain_headers = headers.copy()
        key = method, url, name
        built = self._plain.get(key)
        if built is None:
            built = self._plain[key] = self._build(method, url, name)
        return built

    def _build(
        self,
        method: str,
        url: str,
        name: str | None,
        *,
        data: Data = None,
        json: Any = None,  # noqa: ANN401  any JSON value
        files: Files | None = None,
        params: Pairs | str | bytes | None = None,
        headers: Mapping[str, str | bytes | None] | None = None,
        auth: Auth | None = None,
        cookies: GivenCookies | None = None,
        timeout: float | tuple[float, float] | None = None,
    ) -> BuiltRequest:
        headers = headers or {}
        origin, target = self._split(url)
        if params and (query := encode_query(params)):
            target += ("&" if "?" in target else "?") + query
        body, content_type = encode_body(data, json, files)
        own = {key: _text(value) for key, value in headers.items() if value is not None}
        known = _by_lower_case((*self._user.headers, *own))
        host = own.pop(known["host"], None) if "host" in known else None
        if "content-length" in known:
            own.pop(known["content-length"], None)  # it follows from the body
        if self._base.authorization and "authorization" not in known:
            own["Authorization"] = self._base.authorization
        if "accept-encoding" not in known:
            own["Accept-Encoding"] = _CODINGS
        if content_type and "content-type" not in known:
            own["Content-Type"] = content_type
        if content_type == JSON and "accept" not in known:
            own["Accept"] = JSON
        if (cookies or self._cookies.used) and "cookie" not in known:
            own |= self._cookies.header(origin, target, cookies)
        if auth:
            own.pop(known.get("authorization", ""), None)
            own |= authorize(auth, method, origin + target, self._user.headers | own, body)
        request = self._user.request(
            method,
            target,
            name=f"{method} {redact(name or url)}",
            headers=own,
            upload=body if isinstance(body, Upload) else None,
            content=body if isinstance(body, bytes) else None,
            expect=GOOD,
            timeout_s=timeout[-1] if isinstance(timeout, tuple) else timeout,
        )
        return BuiltRequest(request, origin, host.encode("latin-1") if host else None)

    def _split(self, url: str) -> tuple[str, str]:
        """Split a URL into its origin and the request target."""
        if url.startswith("/") or not url.lower().startswith(("http://", "https://")):
            path = url.partition("#")[0]
            slash = (
                "" if path.startswith("/") or (self._base.path and path[:1] in {"", "?"}) else "/"
            )
            return self._base.origin, self._base.path + slash + path
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", target


@lru_cache(maxsize=1024)  # users send the same ones repeatedly
def _by_lower_case(names: tuple[str, ...]) -> Mapping[str, str]:
    """Header names as written, by their lower case."""
    return {name.lower(): name for name in names}


def _text(value: str | bytes) -> str:
    if value.__class__ is str:
        return value
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
