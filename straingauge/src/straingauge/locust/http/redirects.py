"""Redirects of plain Locust calls (RFC 9110, section 15.4)."""

from dataclasses import replace
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from straingauge.http import ErrorKind, RequestFailed
from straingauge.locust.http.cookies import Cookies, GivenCookies
from straingauge.locust.http.request_builder import BuiltRequest
from straingauge.locust.http.response import REDIRECTS, LocustResponse

_KEEP_METHOD: Final = frozenset({307, 308})
_BODY_HEADERS: Final = frozenset({"content-type", "content-encoding"})
_ORIGIN_HEADERS: Final = frozenset({"authorization"})
_SAFE: Final = "/?:@!$&'()*+,;=-._~%"


def build_next(
    response: LocustResponse,
    cookies: Cookies,
    max_redirects: int,
    call_cookies: GivenCookies | None = None,
) -> BuiltRequest | None:
    """Build the request that a redirect asks for; None if the response is no redirect.

    Args:
        response: the response.
        cookies: cookies to send.
        max_redirects: how many redirects may follow one another.
        call_cookies: cookies of this call alone.

    Raises:
        RequestFailed: it is one too many, or does not lead to an HTTP URL.
    """
    location = response.headers.get("location") if response.status in REDIRECTS else None
    if not location:
        return None
    if len(response.history) >= max_redirects:
        raise RequestFailed(ErrorKind.PROTOCOL, f"more than {max_redirects} redirects")
    try:
        parts = urlsplit(urljoin(response.url, _decoded(location)))
    except ValueError as error:
        raise RequestFailed(ErrorKind.PROTOCOL, f"redirected to {location!r}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RequestFailed(ErrorKind.PROTOCOL, f"redirected to {location!r}, which is no HTTP")
    before = response.request
    origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_SAFE)
    keep_method = response.status in _KEEP_METHOD
    dropped = {"cookie"}
    dropped |= frozenset() if keep_method else _BODY_HEADERS
    dropped |= frozenset() if origin == response.origin else _ORIGIN_HEADERS
    headers = {key: each for key, each in before.headers.items() if key.lower() not in dropped}
    if cookies.used or (call_cookies and origin == response.origin):
        mine = call_cookies if origin == response.origin else None
        headers |= cookies.header(origin + target, mine)
    method = before.method if keep_method or before.method == "HEAD" else "GET"
    body = before.body if keep_method else None
    request = replace(
        before, method=method, target=target, headers=headers, body=body, encoded=None
    )
    return BuiltRequest(request, origin, None)


def _decoded(location: str) -> str:
    """Return a Location as text: in UTF-8, or else with its bytes percent-encoded."""
    raw = location.encode("latin-1")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return quote(raw, safe=f"{_SAFE}#[]")
