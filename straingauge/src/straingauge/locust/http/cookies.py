"""Cookies of one Locust user (RFC 6265), in the standard library's jar."""

from email.message import Message
from http.cookiejar import CookieJar
from typing import Any, cast
from urllib.request import Request

from straingauge.http import values_of
from straingauge.locust.http.response import LocustResponse


class Cookies:
    """A cookie jar, made when first needed.

    Attributes:
        used: a service has set a cookie, or the jar was requested.
    """

    __slots__ = ("_jar", "used")

    def __init__(self) -> None:
        self._jar: CookieJar | None = None  # 2 kB
        self.used = False

    @property
    def jar(self) -> CookieJar:
        """The cookies."""
        if self._jar is None:
            self._jar, self.used = CookieJar(), True
        return self._jar

    def header(self, url: str) -> dict[str, str]:
        """Return the Cookie header for a URL, if there is one."""
        request = Request(url)  # noqa: S310  nothing is opened by it
        self.jar.add_cookie_header(request)
        cookie = request.get_header("Cookie")
        return {"Cookie": cookie} if cookie else {}

    def keep(self, response: LocustResponse) -> None:
        """Store the cookies that a response sets."""
        headers = response.raw_headers
        if b"ookie" not in headers and b"OOKIE" not in headers:  # as nearly always
            return
        info = _ResponseInfo()
        for value in values_of(headers, b"set-cookie"):
            info.headers.add_header("Set-Cookie", value.decode("latin-1"))
        self.jar.extract_cookies(cast("Any", info), Request(response.url))  # noqa: S310  as above


class _ResponseInfo:
    """The part of a response that the jar needs."""

    def __init__(self) -> None:
        self.headers = Message()

    def info(self) -> Message:
        """The headers."""
        return self.headers
