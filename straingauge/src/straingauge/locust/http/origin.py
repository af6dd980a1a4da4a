"""Origins of URLs: resolved once for all users of a process, and only where load may go."""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from straingauge.http.address import Address, resolve
from straingauge.locust.http.request_body import basic


@dataclass(frozen=True, slots=True)
class Origin:
    """A scheme, a host and a port (RFC 6454).

    Attributes:
        url: the URL without a path.
        address: the resolved address.
        host: value of the Host header.
    """

    url: str
    address: Address
    host: bytes


@dataclass(frozen=True, slots=True)
class Base:
    """The parts of Locust's --host, which relative URLs refer to.

    Attributes:
        origin: its scheme, host and port.
        path: prefix of each path; usually empty.
        authorization: Authorization header for its user and password, if it has them.
    """

    origin: str
    path: str
    authorization: str | None


def base_of(url: str) -> Base:
    """Parse the host that Locust was given."""
    parts = urlsplit(url)
    account, _, host = parts.netloc.rpartition("@")
    user, _, password = account.partition(":")
    authorization = basic((unquote(user), unquote(password))) if user and password else None
    return Base(f"{parts.scheme}://{host}", parts.path.rstrip("/"), authorization)


@lru_cache(maxsize=64)
def origin_of(url: str, allowed_hosts: tuple[str, ...]) -> Origin:
    """Resolve a scheme, host and port.

    Raises:
        UsageError: the URL is invalid, or its host is not this machine and not allowed.
        TargetError: the name does not resolve.
    """
    address = resolve(url, allowed_hosts)
    return Origin(url, address, address.host_header)
