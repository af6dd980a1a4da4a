"""Builds the requests of plain Locust calls, as `requests` and FastHttpUser would send them."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypedDict
from urllib.parse import urlsplit

from straingauge.http import Request, Upload
from straingauge.http.headers import combine
from straingauge.http.query import Pairs, encode_query
from straingauge.http.redirects import SAFE_HEADERS
from straingauge.http.site import Site
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
        settings_headers: headers of its settings, which are the target's: other hosts receive
            none that may be a credential, though they receive what the load test sets itself, as
            with `requests.Session.headers`.
    """

    __slots__ = ("_base", "_cookies", "_plain", "_plain_headers", "_settings_headers", "_user")

    def __init__(
        self, user: User, base: Base, cookies: Cookies, settings_headers: Mapping[str, str]
    ) -> None:
        self._user = user
        self._base = base
        self._cookies = cookies
        self._settings_headers = settings_headers
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
        is_own = self._is_own(origin)
        if params and (query := encode_query(params)):
            target += ("&" if "?" in target else "?") + query
        body, content_type = encode_body(data, json, files)
        own = {key: _text(value) for key, value in headers.items() if value is not None}
        of_user = self._user.headers if is_own else self._headers_for_others()
        known = _by_lower_case((*of_user, *own))
        host = own.pop(known["host"], None) if "host" in known else None
        if "content-length" in known:
            own.pop(known["content-length"], None)  # it follows from the body
        if self._base.authorization and is_own and "authorization" not in known:
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
            own |= authorize(auth, method, origin + target, of_user | own, body)
        request = self._user.request(
            method,
            target if is_own else origin + target,
            name=f"{method} {redact(name or url)}",
            headers=own if is_own else combine(of_user, own),
            upload=body if isinstance(body, Upload) else None,
            content=body if isinstance(body, bytes) else None,
            expect=GOOD,
            timeout_s=timeout[-1] if isinstance(timeout, tuple) else timeout,
        )
        return BuiltRequest(request, origin, host.encode("latin-1") if host else None)

    def _is_own(self, origin: str) -> bool:
        """Return whether an origin is the target; without a host of Locust, each one is."""
        base = self._base.origin
        try:
            return not base or Site.parse(origin).origin == Site.parse(base).origin
        except ValueError:  # it is refused with a message when it is resolved
            return True

    def _headers_for_others(self) -> dict[str, str]:
        """Return the user's headers for another host than the target."""
        given = self._settings_headers
        return {
            name: value
            for name, value in self._user.headers.items()
            if name.lower() in SAFE_HEADERS or given.get(name) != value
        }

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
