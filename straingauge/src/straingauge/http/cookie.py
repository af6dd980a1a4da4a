"""One cookie, and the header Set-Cookie (RFC 6265, with the prefixes of its draft successor)."""

import re
from dataclasses import dataclass, replace
from email.utils import mktime_tz, parsedate_tz
from math import inf
from typing import Final, Self

from straingauge.http.site import Site, is_ip

MAX_COOKIE_BYTES: Final = 4096
"""The least that RFC 6265, section 6.1, asks of a client for one cookie with its attributes."""

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[\x20-\x3a\x3c-\x7e\x80-\xff]*")  # all but ";" and control characters
_MAX_AGE: Final = re.compile(r"-?[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """One cookie.

    Attributes:
        name: its name.
        value: its value.
        domain: the host that it is sent to; empty for that of the target, see `CookieJar.home`.
        is_host_only: hosts below the domain do not receive it.
        path: the path below which it is sent.
        is_secure: it is sent over TLS only, or to this machine.
        expires_s: instant of `time.time` at which it expires; None for never.
    """

    name: str
    value: str
    domain: str = ""
    is_host_only: bool = True
    path: str = "/"
    is_secure: bool = False
    expires_s: float | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Domain, path and name, in which two cookies of one user differ."""
        return self.domain, self.path, self.name

    def require_sendable(self) -> Self:
        """Check the name and the value; return the cookie.

        Raises:
            ValueError: they cannot be sent.
        """
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not the name of a cookie")
        if not _VALUE.fullmatch(self.value):
            raise ValueError(f"the value of cookie {self.name!r} has a character that ends it")
        return self

    def at(self, host: str) -> "Cookie":
        """Return the same cookie for a host."""
        return replace(self, domain=host, is_host_only=True)

    def is_expired(self, now_s: float) -> bool:
        """Return whether it has expired."""
        return self.expires_s is not None and self.expires_s <= now_s

    def matches(self, site: Site, path: str) -> bool:
        """Return whether it is sent with a request (RFC 6265, section 5.4).

        Args:
            site: the host.
            path: the path of the request.
        """
        host = site.host
        if host != self.domain and (self.is_host_only or not _is_below(host, self.domain)):
            return False
        if self.is_secure and not site.is_trustworthy:
            return False
        mine = self.path
        return path == mine or (
            path.startswith(mine) and (mine.endswith("/") or path[len(mine)] == "/")
        )


def default_path(target: str) -> str:
    """Return the path of cookies that a response sets without one (RFC 6265, section 5.1.4)."""
    return target.partition("?")[0].rpartition("/")[0] or "/"


def parse_set_cookie(text: str, site: Site, path: str, now_s: float) -> Cookie | str:
    """Parse the value of a Set-Cookie header (RFC 6265, sections 5.2 and 5.3).

    Args:
        text: the value.
        site: the host that sent it.
        path: the path of cookies without one, see `default_path`.
        now_s: the present, as of `time.time`.

    Returns:
        The cookie, perhaps expired, which removes it; or why it is not kept.
    """
    pair, *parts = text.split(";")
    name, has_value, value = (part.strip(" \t") for part in pair.partition("="))
    if not has_value or not name:
        return f"{name[:40] or 'a cookie'}: no name and value"
    if not _VALUE.fullmatch(name + value):
        return f"{name[:40]!r}: a control character"
    attributes: dict[str, str] = {}
    for part in parts:  # the last one of a name counts
        key, _, attribute = part.partition("=")
        attributes[key.strip().lower()] = attribute.strip()
    host = site.host
    domain = attributes.get("domain", "").removeprefix(".").lower()
    if domain and not _may_set(host, domain):
        return f"{name[:40]}: its domain {domain[:80]} does not include {host}"
    given = attributes.get("path", "")
    cookie = Cookie(
        name=name,
        value=value,
        domain=domain or host,
        is_host_only=not domain,
        path=given if given.startswith("/") else path,
        is_secure="secure" in attributes,
        expires_s=_expiry(attributes, now_s),
    )
    why_not = _broken_rule(cookie, site, has_root_path=given == "/")
    return f"{name[:40]}: {why_not}" if why_not else cookie


def _broken_rule(cookie: Cookie, site: Site, *, has_root_path: bool) -> str | None:
    """Return the rule for Secure and for prefixes of names that a cookie breaks."""
    prefix = cookie.name.lower()
    if cookie.is_secure and not site.is_trustworthy:
        return "Secure, but not from https"
    if prefix.startswith("__secure-") and not cookie.is_secure:
        return "without the Secure that its name asks for"
    if prefix.startswith("__host-") and not (
        cookie.is_secure and cookie.is_host_only and has_root_path
    ):
        return "not Secure, for one host and with Path=/, as its name asks for"
    return None


def _may_set(host: str, domain: str) -> bool:
    """Return whether a host may set cookies of a domain: its own, or one above it with a dot."""
    return host == domain or ("." in domain and _is_below(host, domain))


def _is_below(host: str, domain: str) -> bool:
    return host.endswith(f".{domain}") and not is_ip(host)


def _expiry(attributes: dict[str, str], now_s: float) -> float | None:
    """Return when a cookie expires: Max-Age comes before Expires; wrong ones are ignored."""
    if _MAX_AGE.fullmatch(age := attributes.get("max-age", "")):
        return now_s + max(int(age[:12]), 0) if age[0] != "-" else -inf
    date = parsedate_tz(attributes.get("expires", ""))
    try:
        return None if date is None else float(mktime_tz(date))
    except (ValueError, OverflowError):  # a day that does not exist
        return None
