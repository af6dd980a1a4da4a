"""Cookies of one Locust user, with the interface of `requests`' jar."""

from collections.abc import Iterator, Mapping
from http.cookiejar import Cookie as RequestsCookie
from http.cookiejar import CookieJar as StandardJar
from typing import Any, TypeAlias

from requests.cookies import RequestsCookieJar, create_cookie

from straingauge.http import RawHeaders
from straingauge.http.cookie import Cookie
from straingauge.http.cookies import CookieJar, sets_cookies
from straingauge.http.site import Site
from straingauge.journey import User

GivenCookies: TypeAlias = Mapping[str, str] | StandardJar
"""Values by name, or a jar."""


class Cookies:
    """The cookies of a user, for plain calls; its journeys send the same ones.

    Args:
        user: the user.
    """

    __slots__ = ("_user",)

    def __init__(self, user: User) -> None:
        self._user = user

    @property
    def used(self) -> bool:
        """A service has set a cookie, or the jar was requested."""
        return self._user.has_cookies

    @property
    def jar(self) -> RequestsCookieJar:
        """The cookies, as `requests` shows them."""
        return _JarView(self._user.cookies)

    @jar.setter
    def jar(self, cookies: GivenCookies) -> None:
        given = list(_cookies_in(cookies))  # it may be a view of this jar
        self._user.cookies.clear()
        for each in given:
            self._user.cookies.add(each)

    def header(self, origin: str, target: str, more: GivenCookies | None = None) -> dict[str, str]:
        """Return the Cookie header for a request, if there is one.

        Args:
            origin: scheme, host and port that it is sent to.
            target: its target, from the root of the host.
            more: cookies of this request alone; they override those of the jar.
        """
        site = Site.parse(origin)
        pairs = self._user.cookies.pairs(site, target)
        if more:
            own = CookieJar()
            for each in _cookies_in(more):
                own.add(each)
            given = own.pairs(site, target)
            names = {name for name, _ in given}
            pairs = [*(each for each in pairs if each[0] not in names), *given]
        return {"Cookie": "; ".join(map("=".join, pairs))} if pairs else {}

    def keep(self, headers: RawHeaders, origin: str, target: str) -> None:
        """Store the cookies that a response to a request for this target sets."""
        if sets_cookies(headers) and self._user.cookie_mode != "off":
            self._user.cookies.keep(headers, Site.parse(origin), target)


def cookies_of(headers: RawHeaders, origin: str, target: str) -> RequestsCookieJar:
    """Return the cookies that a response to a request for this target sets."""
    jar = RequestsCookieJar()
    if sets_cookies(headers):
        found = CookieJar()
        found.keep(headers, Site.parse(origin), target)
        for each in found:
            jar.set_cookie(_shown(each))
    return jar


class _JarView(RequestsCookieJar):
    """The interface of `requests`' jar to the cookies of a user."""

    def __init__(self, jar: CookieJar) -> None:
        super().__init__()
        self._jar = jar

    def __iter__(self) -> Iterator[RequestsCookie]:  # type: ignore[override]  # as at run time
        return map(_shown, self._jar)

    def set_cookie(self, cookie: RequestsCookie, *_: Any, **__: Any) -> None:  # noqa: ANN401  as in requests
        self._jar.add(_cookie_of(cookie))

    def clear(
        self, domain: str | None = None, path: str | None = None, name: str | None = None
    ) -> None:
        found = [
            each
            for each in self._jar
            if domain in {None, each.domain}
            and path in {None, each.path}
            and name in {None, each.name}
        ]
        if not found and domain is not None:
            raise KeyError(name or path or domain)
        for each in found:
            self._jar.remove(*each.key)

    def copy(self) -> RequestsCookieJar:
        copied = RequestsCookieJar()
        copied.update(self)
        return copied


def _cookies_in(given: GivenCookies) -> Iterator[Cookie]:
    if isinstance(given, StandardJar):
        return map(_cookie_of, given)
    return (Cookie(name=name, value=value) for name, value in given.items())


def _cookie_of(cookie: RequestsCookie) -> Cookie:
    return Cookie(
        name=cookie.name,
        value=cookie.value or "",
        domain=cookie.domain.removeprefix("."),
        is_host_only=not cookie.domain_specified or not cookie.domain.startswith("."),
        path=cookie.path,
        is_secure=cookie.secure,
        expires_s=cookie.expires,
    )


def _shown(cookie: Cookie) -> RequestsCookie:
    return create_cookie(
        cookie.name,
        cookie.value,
        domain=cookie.domain if cookie.is_host_only else f".{cookie.domain}",
        path=cookie.path,
        secure=cookie.is_secure,
        expires=None if cookie.expires_s is None else int(cookie.expires_s),
    )
