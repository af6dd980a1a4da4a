"""The cookies of one user (RFC 6265)."""

import time
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from typing import Final, Literal, TypeAlias

from straingauge.http.cookie import MAX_COOKIE_BYTES, Cookie, default_path, parse_set_cookie
from straingauge.http.headers import RawHeaders, values_of
from straingauge.http.site import Site

CookieMode: TypeAlias = Literal["per-user", "per-journey", "off"]
"""Cookies are kept as long as the user, each journey begins with those of the log-in, or not at
all."""

MAX_COOKIES_PER_DOMAIN: Final = 50
"""The least that RFC 6265, section 6.1, asks of a client: a service may rely on no more."""

_MAX_REFUSED: Final = 5  # named in messages
_MAX_LINES: Final = 64  # paths with ids are always new, and must not all be kept

_Key: TypeAlias = tuple[str, str, str]


def sets_cookies(headers: RawHeaders) -> bool:
    """Return whether a response sets a cookie."""
    return headers.lower().find(b"\r\nset-cookie:") >= 0


class CookieJar:
    """The cookies that services have set for one user, or its journeys.

    Public suffixes are not known: a service at ``a.co.uk`` can set a cookie for all of ``co.uk``,
    though none for ``uk``. SameSite has no meaning here, as there are no pages of other sites.

    Attributes:
        home: host of cookies that are set without a domain; empty for the first host that the user
            sends a request to.
        refused: why the last cookies were not kept, for messages; at most five.
    """

    __slots__ = ("_cookies", "_lines", "_saved", "home", "refused")

    def __init__(self, home: str = "") -> None:
        self.home = home
        self._cookies: dict[_Key, Cookie] = {}
        self._lines: dict[tuple[str, bool, str], tuple[bytes, float]] = {}
        self._saved: dict[_Key, Cookie] = {}
        self.refused: list[str] = []

    def __len__(self) -> int:
        return len(self._cookies)

    def __iter__(self) -> Iterator[Cookie]:
        """All cookies, in the order in which they were first set."""
        return iter(list(self._cookies.values()))

    def get(self, name: str, default: str | None = None, *, site: Site | None = None) -> str | None:
        """Return the value of the cookie of this name; of several, that of the last one set.

        Args:
            name: its name.
            default: what to return if there is none.
            site: only of cookies that are sent there, below any path; None for those of all hosts.
        """
        if site is not None:
            self._bind(self.home or site.host)
        found = [
            each.value
            for each in self._cookies.values()
            if each.name == name and (site is None or each.matches(site, each.path))
        ]
        return found[-1] if found else default

    def set(
        self,
        name: str,
        value: str,
        *,
        domain: str = "",
        path: str = "/",
        secure: bool = False,
        expires_s: float | None = None,
    ) -> None:
        """Set a cookie.

        Args:
            name: its name.
            value: its value.
            domain: host that it is sent to, with all hosts below it if it begins with a "."; by
                default that of the target.
            path: path below which it is sent.
            secure: send it over TLS only, or to this machine.
            expires_s: instant of `time.time` from which on it is not sent; None for never.

        Raises:
            ValueError: it cannot be sent.
        """
        self.add(
            Cookie(
                name=name,
                value=value,
                domain=domain.removeprefix(".").lower(),
                is_host_only=not domain.startswith("."),
                path=path,
                is_secure=secure,
                expires_s=expires_s,
            ).require_sendable()
        )

    def add(self, cookie: Cookie) -> None:
        """Add a cookie, in place of the one of the same name, domain and path."""
        self._lines.clear()
        self._cookies[cookie.key] = cookie  # an old one keeps its place (RFC 6265, section 5.3)
        domain = [each for each in self._cookies.values() if each.domain == cookie.domain]
        if len(domain) > MAX_COOKIES_PER_DOMAIN:
            now_s = time.time()
            expired = next((each for each in domain if each.is_expired(now_s)), domain[0])
            del self._cookies[expired.key]
            self._refuse(f"{expired.name}: more than {MAX_COOKIES_PER_DOMAIN} cookies of one host")

    def remove(self, domain: str, path: str, name: str) -> None:
        """Remove a cookie.

        Raises:
            KeyError: there is none.
        """
        del self._cookies[domain, path, name]
        self._lines.clear()

    def clear(self) -> None:
        """Remove all cookies."""
        self._cookies.clear()
        self._lines.clear()

    def save(self) -> None:
        """Keep the present cookies for `restore`."""
        self._saved = self._cookies.copy()

    def restore(self) -> None:
        """Return to the cookies of the last `save`; without one, to none."""
        self._cookies = self._saved.copy()
        self._lines.clear()

    def keep(self, headers: RawHeaders, site: Site, target: str) -> None:
        """Store the cookies that a response sets.

        Args:
            headers: the headers of the response.
            site: the host that sent it.
            target: target of its request, from the root of the host.
        """
        now_s, path = time.time(), default_path(target)
        for value in values_of(headers, b"set-cookie"):
            if len(value) > MAX_COOKIE_BYTES:
                self._refuse(f"{value[:20].decode('latin-1')}...: more than {MAX_COOKIE_BYTES} B")
                continue
            cookie = parse_set_cookie(value.decode("latin-1"), site, path, now_s)
            if isinstance(cookie, str):
                self._refuse(cookie)
            elif not site.is_trustworthy and self._hides_secure(cookie, site):
                self._refuse(f"{cookie.name}: a Secure cookie has this name, and comes from TLS")
            elif cookie.is_expired(now_s):
                self._cookies.pop(cookie.key, None)
                self._lines.clear()
            else:
                self.add(cookie)

    def line(self, site: Site, target: str) -> bytes:
        """Return the line of the header Cookie for a request, CRLF first; empty without cookies."""
        if not self._cookies:
            return b""
        path = target.partition("?")[0]
        key = site.host, site.is_trustworthy, path
        found = self._lines.get(key)
        if found is not None and (found[1] == inf or time.time() < found[1]):
            return found[0]
        cookies = self._matching(site, path)
        pairs = "; ".join(f"{each.name}={each.value}" for each in cookies)
        line = f"\r\nCookie: {pairs}".encode("latin-1") if cookies else b""
        if len(self._lines) >= _MAX_LINES:
            self._lines.clear()
        expiries = [each.expires_s for each in cookies if each.expires_s is not None]
        self._lines[key] = line, min(expiries, default=inf)
        return line

    def pairs(self, site: Site, target: str) -> list[tuple[str, str]]:
        """Return names and values of the cookies that are sent with a request, in order."""
        found = self._matching(site, target.partition("?")[0])
        return [(each.name, each.value) for each in found]

    def _matching(self, site: Site, path: str) -> list[Cookie]:
        """Return the cookies for a request, those of longer paths first (section 5.4)."""
        self._bind(self.home or site.host)
        now_s = time.time()
        found = [each for each in self if each.matches(site, path) and not each.is_expired(now_s)]
        return sorted(found, key=lambda each: -len(each.path))

    def _hides_secure(self, cookie: Cookie, site: Site) -> bool:
        """Return whether a cookie would stand for a Secure one ("Leave Secure Cookies Alone").

        See https://datatracker.ietf.org/doc/html/draft-west-leave-secure-cookies-alone
        """
        over_tls = replace(site, is_trustworthy=True)
        return any(
            each.is_secure and each.name == cookie.name and each.matches(over_tls, cookie.path)
            for each in self
        )

    def _bind(self, host: str) -> None:
        """Make cookies without a domain those of this host, so that no other one receives them."""
        for key in [key for key in self._cookies if not key[0]]:
            self.add(self._cookies.pop(key).at(host))

    def _refuse(self, why: str) -> None:
        self.refused = [*self.refused[1 - _MAX_REFUSED :], why]
