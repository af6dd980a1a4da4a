"""Origins of URLs: resolved once for all users of a process, and only where load may go."""

from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from straingauge.errors import UsageError
from straingauge.http.address import Address, parse_base_url, resolve
from straingauge.http.authentication import basic_auth
from straingauge.http.query import encode_path
from straingauge.http.settings import HttpSettings
from straingauge.http.site import Site


@dataclass(frozen=True, slots=True)
class Origin:
    """A scheme, a host and a port (RFC 6454).

    Attributes:
        url: the URL without a path.
        address: the resolved address.
        host: value of the Host header, and the lines for a proxy that follow it.
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

    def site(self, settings: HttpSettings) -> Site:
        """Return the host, as cookies and redirects see it."""
        address = parse_base_url(self.origin)
        address.settings = settings
        return replace(Site.of(address), base_path=encode_path(self.path))


def base_of(url: str) -> Base:
    """Parse the host that Locust was given.

    Raises:
        UsageError: it is no URL, or has a query or a fragment, which no request could keep.
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError as error:
        raise UsageError(f"{url!r} is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.netloc.rpartition("@")[2]:
        raise UsageError(f"{url!r} is no URL to load", hint="write it like http://localhost:8000")
    if parts.query or parts.fragment:
        raise UsageError(
            f"{url!r}: a host has no query and no fragment",
            hint="give them to the requests: self.client.get(path, params=...)",
        )
    account, _, host = parts.netloc.rpartition("@")
    user, _, password = account.partition(":")
    try:
        auth = basic_auth(unquote(user), unquote(password)) if user and password else None
    except ValueError as error:
        raise UsageError(f"the host {host}: {error}") from error
    authorization = auth.headers[0][1] if auth else None
    return Base(f"{parts.scheme}://{host}", parts.path.rstrip("/"), authorization)


@lru_cache(maxsize=64)
def origin_of(url: str, allowed_hosts: tuple[str, ...], settings: HttpSettings) -> Origin:
    """Resolve a scheme, host and port, for connections with these settings.

    Raises:
        UsageError: the URL is invalid, or its host is not this machine and not allowed.
        TargetError: the name does not resolve.
    """
    address = resolve(url, allowed_hosts, settings)
    return Origin(url, address, address.host_lines)
