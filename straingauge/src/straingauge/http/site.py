"""The site that requests go to, as cookies and redirects see it."""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from straingauge.http.own_address import is_loopback

if TYPE_CHECKING:
    from straingauge.http.address import Address

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Site:
    """A scheme, a host and a port (an origin, RFC 6454), with a base path.

    Attributes:
        origin: scheme, host and port, without the default port of the scheme.
        host: the host, in lower case.
        is_trustworthy: cookies with the attribute Secure may be sent there: over TLS or, as in
            browsers and curl, to this machine (W3C Secure Contexts, section 3.1), where services
            are tested with their production settings.
        base_path: precedes the path of each request.
    """

    origin: str
    host: str
    is_trustworthy: bool
    base_path: str = ""

    @classmethod
    def of(cls, address: "Address") -> Self:
        """Return the site of a target: its name is that of the Host header."""
        scheme = "https" if address.tls else "http"
        return cls.parse(f"{scheme}://{address.host_header.decode()}", address.base_path)

    @classmethod
    @lru_cache(maxsize=64)
    def parse(cls, url: str, base_path: str = "") -> Self:
        """Return the site of a URL, without its path.

        Raises:
            ValueError: It is no URL of http or https.
        """
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
        if parts.scheme not in _DEFAULT_PORTS or not host:
            raise ValueError("it is not http and not https")
        name = f"[{host}]" if ":" in host else host
        shown = "" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}"
        is_trustworthy = parts.scheme == "https" or is_loopback(host)
        return cls(f"{parts.scheme}://{name}{shown}", host, is_trustworthy, base_path)


def split_url(url: str) -> tuple[Site, str]:
    """Return the site of a URL, and its path with its query.

    Raises:
        ValueError: It is no URL of http or https, or has a user name or a password.
    """
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("it has a user name or a password: send them in a header")
    site = Site.parse(f"{parts.scheme}://{parts.netloc}")
    return site, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


@lru_cache(maxsize=64)
def is_ip(host: str) -> bool:
    """Return whether a host is an IP address, not a name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
