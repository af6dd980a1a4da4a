"""Where a URL leads: looked up once for all users of a process, and only where load may go."""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from straingauge.http.address import Address, resolve
from straingauge.locust.http.request_body import basic


@dataclass(frozen=True, slots=True)
class Origin:
    """A scheme, a host and a port (RFC 6454).

    Attributes:
        url: the three of them, without a path.
        address: what they resolve to.
        host: the Host header's value.
    """

    url: str
    address: Address
    host: bytes


@dataclass(frozen=True, slots=True)
class Base:
    """What relative URLs are relative to: Locust's --host, taken apart.

    Attributes:
        origin: its scheme, host and port.
        path: what stands before each path; usually nothing.
        authorization: the header that its user and password call for, if it has them.
    """

    origin: str
    path: str
    authorization: str | None


def base_of(url: str) -> Base:
    """Take apart a host as Locust is given it."""
    parts = urlsplit(url)
    account, _, host = parts.netloc.rpartition("@")
    user, _, password = account.partition(":")
    authorization = basic((unquote(user), unquote(password))) if user and password else None
    return Base(f"{parts.scheme}://{host}", parts.path.rstrip("/"), authorization)


@lru_cache(maxsize=64)
def origin_of(url: str, allowed_hosts: tuple[str, ...]) -> Origin:
    """The origin of this scheme, host and port.

    Raises:
        UsageError: that is no URL, or its host is not this machine and not allowed.
        TargetError: the name does not resolve.
    """
    address = resolve(url, allowed_hosts)
    return Origin(url, address, address.host_header)
