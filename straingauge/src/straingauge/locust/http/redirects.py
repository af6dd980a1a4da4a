"""Redirects of plain Locust calls."""

from dataclasses import replace

from straingauge.http.redirects import redirect_of
from straingauge.http.site import Site
from straingauge.locust.http.cookies import Cookies, GivenCookies
from straingauge.locust.http.request_builder import BuiltRequest
from straingauge.locust.http.response import LocustResponse


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
    site = Site.parse(response.origin)
    redirect = redirect_of(response, site, max_redirects)
    if redirect is None:
        return None
    request, origin = redirect.request, redirect.site.origin
    headers = {name: each for name, each in request.headers.items() if name.lower() != "cookie"}
    mine = call_cookies if origin == site.origin else None
    if cookies.used or mine:
        headers |= cookies.header(origin, request.target, mine)
    return BuiltRequest(replace(request, name=response.request.name, headers=headers), origin, None)
