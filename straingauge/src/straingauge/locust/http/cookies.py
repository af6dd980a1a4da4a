"""Cookies of one Locust user (RFC 6265), in the jar of `requests`, which is also a mapping."""

from collections.abc import Mapping
from email.message import Message
from http.cookiejar import CookieJar
from typing import Any, TypeAlias, cast
from urllib.request import Request

from requests.cookies import RequestsCookieJar, cookiejar_from_dict

from straingauge.http import RawHeaders, values_of

GivenCookies: TypeAlias = Mapping[str, str] | CookieJar
"""Values by name, or a jar."""


class Cookies:
    """A cookie jar, made when first needed.

    Attributes:
        used: a service has set a cookie, or the jar was requested.
    """

    __slots__ = ("_jar", "used")

    def __init__(self) -> None:
        self._jar: RequestsCookieJar | None = None  # 2 kB
        self.used = False

    @property
    def jar(self) -> RequestsCookieJar:
        """The cookies."""
        if self._jar is None:
            self._jar, self.used = RequestsCookieJar(), True
        return self._jar

    @jar.setter
    def jar(self, cookies: GivenCookies) -> None:
        self._jar, self.used = _as_jar(cookies), True

    def header(self, url: str, more: GivenCookies | None = None) -> dict[str, str]:
        """Return the Cookie header for a URL, if there is one.

        Args:
            url: where it is sent.
            more: cookies of this request alone; they override those of the jar.
        """
        jar = self.jar
        if more:
            jar = jar.copy()
            jar.update(_as_jar(more))
        request = Request(url)  # noqa: S310  nothing is opened by it
        jar.add_cookie_header(request)
        cookie = request.get_header("Cookie")
        return {"Cookie": cookie} if cookie else {}

    def keep(self, headers: RawHeaders, url: str) -> None:
        """Store the cookies that a response from a URL sets."""
        if _may_set_cookies(headers):
            _extract(self.jar, headers, url)


def cookies_of(headers: RawHeaders, url: str) -> RequestsCookieJar:
    """Return the cookies that a response from a URL sets."""
    jar = RequestsCookieJar()
    if _may_set_cookies(headers):
        _extract(jar, headers, url)
    return jar


def _as_jar(cookies: GivenCookies) -> RequestsCookieJar:
    if isinstance(cookies, RequestsCookieJar):
        return cookies
    jar = RequestsCookieJar()
    if isinstance(cookies, CookieJar):
        jar.update(cookies)
    else:
        cookiejar_from_dict(dict(cookies), jar)
    return jar


def _may_set_cookies(headers: RawHeaders) -> bool:
    return b"ookie" in headers or b"OOKIE" in headers  # nearly always not


def _extract(jar: CookieJar, headers: RawHeaders, url: str) -> None:
    info = _ResponseInfo()
    for value in values_of(headers, b"set-cookie"):
        info.headers.add_header("Set-Cookie", value.decode("latin-1"))
    jar.extract_cookies(cast("Any", info), Request(url))  # noqa: S310  nothing is opened by it


class _ResponseInfo:
    """The part of a response that the jar needs."""

    def __init__(self) -> None:
        self.headers = Message()

    def info(self) -> Message:
        """The headers."""
        return self.headers
