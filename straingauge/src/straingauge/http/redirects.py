"""Redirects (RFC 9110, section 15.4): the request that a response asks for."""

import re
from dataclasses import replace
from typing import Final, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from straingauge.http.models import ErrorKind, Request, RequestFailed, Response
from straingauge.http.query import encode_path
from straingauge.http.site import Site

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS: Final = 10
"""Redirects that may follow one another by default, as in k6 and Go."""

_BODY_HEADERS: Final = frozenset({"content-type", "content-encoding", "content-language"})
SAFE_HEADERS: Final = _BODY_HEADERS | {
    *("accept", "accept-charset", "accept-encoding", "accept-language", "user-agent"),
    *("cache-control", "pragma", "range", "if-range", "x-requested-with"),
}
"""Headers that say how to answer, and nothing of who asks: all others may be credentials."""

_SAFE_CHARACTERS: Final = "/?:@!$&'()*+,;=-._~%#[]"
# Numbers, and what is too long for a word and has digits: UUIDs, ULIDs, hashes and tokens.
_ID: Final = re.compile(r"(?<=/)(?:[0-9]+|(?=[\w.-]*[0-9])[\w.-]{16,})(?=/|$)", re.ASCII)


class Redirect(NamedTuple):
    """The request that a redirect asks for, and its site.

    Attributes:
        request: the next request; its target begins at the root of the host. Its name and origin
            are those of the request before.
        site: where to send it, without a base path.
    """

    request: Request
    site: Site


def redirect_of(response: Response, site: Site, max_redirects: int) -> Redirect | None:
    """Return where a response redirects to; None if it is no redirect.

    A POST becomes a GET, except by 307 and 308; by 303 all other methods than HEAD do. Another
    origin receives no cookie, no credential and no header that may be one.

    Args:
        response: the response.
        site: where its request was sent.
        max_redirects: redirects that may follow one another.

    Raises:
        RequestFailed: of kind "redirect": it is one too many, or does not lead to an HTTP URL.
    """
    location = response.headers.get("location") if response.status in REDIRECTS else None
    if not location:
        return None
    before = response.request
    if before.redirects >= max_redirects:
        raise RequestFailed(
            ErrorKind.REDIRECT,
            f"more than {max_redirects} redirects, the last to {location}",
            response,
        )
    base_path = "" if before.from_root else site.base_path
    try:
        url = urljoin(site.origin + base_path + before.target, _decoded(location))
        parts, after = urlsplit(url), Site.parse(url)
    except ValueError as error:
        detail = f"redirected to {location!r}: {error}"
        raise RequestFailed(ErrorKind.REDIRECT, detail, response) from error
    is_same = after.origin == site.origin
    method = _method(before.method, response.status)
    has_body = method == before.method
    path = encode_path(parts.path or "/")
    headers = {
        name: value
        for name, value in before.headers.items()
        if (is_same or name.lower() in SAFE_HEADERS)
        and (has_body or name.lower() not in _BODY_HEADERS)
    }
    request = replace(
        before,
        method=method,
        target=path + (f"?{encode_path(parts.query)}" if parts.query else ""),
        headers=headers,
        body=before.body if has_body else None,
        encoded=None,
        from_root=True,
        redirects=before.redirects + 1,
    )
    return Redirect(request, after)


def _method(method: str, status: int) -> str:
    if (status == 303 and method != "HEAD") or (status in {301, 302} and method == "POST"):
        return "GET"
    return method


def path_pattern(path: str, base_path: str) -> str:
    """Return a path below the base path, with {id} for what is different each time."""
    if base_path and (path + "/").startswith(f"{base_path}/"):
        path = path.removeprefix(base_path) or "/"
    return _ID.sub("{id}", path)


def _decoded(location: str) -> str:
    """Return a Location as text: in UTF-8, or else with its bytes percent-encoded."""
    raw = location.encode("latin-1")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return quote(raw, safe=_SAFE_CHARACTERS)
