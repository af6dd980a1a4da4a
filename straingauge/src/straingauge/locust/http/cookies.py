"""The cookies of one Locust user, kept as browsers do (RFC 6265) by the standard library's jar."""

from email.message import Message
from http.cookiejar import CookieJar
from typing import Any, cast
from urllib.request import Request

from straingauge.http import values_of
from straingauge.locust.http.response import LocustResponse


class Cookies:
    """A jar that most users never need.

    Attributes:
        used: whether a service has ever set one, or somebody has taken the jar in hand.
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
        """The Cookie header to send there, if there is one."""
        request = Request(url)  # noqa: S310  nothing is opened by it
        self.jar.add_cookie_header(request)
        cookie = request.get_header("Cookie")
        return {"Cookie": cookie} if cookie else {}

    def keep(self, answer: LocustResponse) -> None:
        """Keep what a response sets."""
        headers = answer.raw_headers
        if b"ookie" not in headers and b"OOKIE" not in headers:  # as nearly always
            return
        said = _Said()
        for value in values_of(headers, b"set-cookie"):
            said.headers.add_header("Set-Cookie", value.decode("latin-1"))
        self.jar.extract_cookies(cast("Any", said), Request(answer.url))  # noqa: S310  as above


class _Said:
    """As much of a response as the jar wants."""

    def __init__(self) -> None:
        self.headers = Message()

    def info(self) -> Message:
        """The headers."""
        return self.headers
