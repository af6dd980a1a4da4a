"""Where a response sends a plain Locust call next (RFC 9110, section 15.4)."""

from dataclasses import replace
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from straingauge.http import ErrorKind, RequestFailed
from straingauge.locust.http.cookies import Cookies
from straingauge.locust.http.request_builder import BuiltRequest
from straingauge.locust.http.response import LocustResponse

STATUSES: Final = frozenset({301, 302, 303, 307, 308})
_SAME_AGAIN: Final = frozenset({307, 308})
_OF_THE_BODY: Final = frozenset({"content-type", "content-encoding"})
_OF_THE_ORIGIN: Final = frozenset({"authorization"})
_SAFE: Final = "/?:@!$&'()*+,;=-._~%"


def next_of(answer: LocustResponse, cookies: Cookies, most: int) -> BuiltRequest | None:
    """The request that a redirection asks for; None when the answer is none.

    Args:
        answer: what may be a redirection.
        cookies: are sent where they belong.
        most: how many redirections may come one after the other.

    Raises:
        RequestFailed: it is one too many, or leads to something that is no HTTP.
    """
    location = answer.headers.get("location") if answer.status in STATUSES else None
    if not location:
        return None
    if len(answer.history) >= most:
        raise RequestFailed(ErrorKind.PROTOCOL, f"more than {most} redirects")
    url = urljoin(answer.url, location)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RequestFailed(ErrorKind.PROTOCOL, f"redirected to {location!r}, which is no HTTP")
    before = answer.request
    origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_SAFE)
    again = answer.status in _SAME_AGAIN
    dropped = {"cookie"}
    dropped |= frozenset() if again else _OF_THE_BODY
    dropped |= frozenset() if origin == answer.origin else _OF_THE_ORIGIN
    headers = {key: each for key, each in before.headers.items() if key.lower() not in dropped}
    if cookies.used:
        headers |= cookies.header(origin + target)
    method = before.method if again or before.method == "HEAD" else "GET"
    body = before.body if again else None
    request = replace(
        before, method=method, target=target, headers=headers, body=body, encoded=None
    )
    return BuiltRequest(request, origin, None)
