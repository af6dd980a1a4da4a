"""The cookies of one Locust user, kept as browsers do (RFC 6265) by the standard library's jar."""

from email.message import Message
from http.cookiejar import CookieJar
from typing import Any, cast
from urllib.request import Request

from straingauge.journey import RawHeaders, values_of


class Cookies:
    """A jar that most users never need.

    Attributes:
        jar: the cookies; empty until a service sets one.
    """

    __slots__ = ("jar",)

    def __init__(self) -> None:
        self.jar = CookieJar()

    def header(self, url: str) -> str | None:
        """The Cookie header to send there."""
        request = Request(url)  # noqa: S310  nothing is opened by it
        self.jar.add_cookie_header(request)
        return request.get_header("Cookie")

    def keep(self, url: str, headers: RawHeaders) -> None:
        """Keep what a response from there sets."""
        if b"ookie" not in headers and b"OOKIE" not in headers:  # as nearly always
            return
        said = _Said()
        for value in values_of(headers, b"set-cookie"):
            said.headers.add_header("Set-Cookie", value.decode("latin-1"))
        self.jar.extract_cookies(cast("Any", said), Request(url))  # noqa: S310  as above


class _Said:
    """As much of a response as the jar wants."""

    def __init__(self) -> None:
        self.headers = Message()

    def info(self) -> Message:
        """The headers."""
        return self.headers
