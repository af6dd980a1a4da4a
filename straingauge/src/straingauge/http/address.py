"""Addresses of targets, and the rule that load only goes to permitted hosts."""

import ipaddress
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from straingauge.errors import TargetError, UsageError
from straingauge.http.models import ErrorKind, RequestFailed
from straingauge.http.query import encode_path

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(slots=True)
class Address:
    """A target's address, with its name resolved once.

    Attributes:
        host: the name, as in the URL; an international one as DNS has it (IDNA, RFC 3490).
        port: the port.
        tls: whether to use TLS.
        base_path: the URL's path without a slash at its end, such as "/api/v1"; often empty. It
            precedes the path of each request.
        ips: the name's IP addresses in the order to try; the one that accepted comes first.
        has_accepted: whether the first one has accepted a connection.
        server_name: the name in TLS, if it is not the host's.
    """

    host: str
    port: int
    tls: bool
    base_path: str = ""
    ips: list[str] = field(default_factory=list)
    has_accepted: bool = False
    server_name: str | None = None

    @property
    def tls_name(self) -> str:
        """Name of the server in TLS: sent to it, and looked for in its certificate."""
        return self.server_name or self.host

    @property
    def host_header(self) -> bytes:
        """The Host header's value (RFC 9110, section 7.2)."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        default = _DEFAULT_PORTS["https" if self.tls else "http"]
        return (name if self.port == default else f"{name}:{self.port}").encode("ascii")

    def attempts(self) -> list[tuple[str, bool]]:
        """IP addresses in the order to try, each with whether it is the last one."""
        return [(ip, ip == self.ips[-1]) for ip in self.ips]

    def prefer(self, ip: str) -> None:
        """Try this IP address, which has accepted a connection, first from now on."""
        self.has_accepted = True
        if self.ips[0] != ip:
            self.ips.remove(ip)
            self.ips.insert(0, ip)


def resolve(base_url: str, allowed_hosts: Iterable[str] = ()) -> Address:
    """Parse a base URL and resolve its host.

    Args:
        base_url: scheme, host and port, perhaps with a base path.
        allowed_hosts: hosts other than this machine that may be put under load.

    Raises:
        UsageError: the URL is invalid, or its host is not this machine and not allowed.
        TargetError: the name does not resolve.
    """
    address = parse_base_url(base_url)
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise TargetError(
            f"{address.host} does not resolve: {error}", hint="check the address"
        ) from error
    address.ips = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    # After "%" comes the zone of an IPv6 address, which `ip_address` does not need.
    remote = [ip for ip in address.ips if not ipaddress.ip_address(ip.split("%")[0]).is_loopback]
    if remote and address.host not in {_ascii_name(host) for host in allowed_hosts}:
        where = "" if remote[0] == address.host else f" ({remote[0]})"
        raise UsageError(
            f"{address.host}{where} is not this machine: load goes only to hosts you may put under"
            " load",
            hint=f"if {address.host} is yours to load, say so: --allow-host {address.host} (pytest:"
            " --load-host URL)",
        )
    return address


def require_no_account(base_url: str) -> None:
    """Refuse a base URL with a user name or a password, which no request would send.

    Raises:
        UsageError: It has one.
    """
    if "@" in base_url:
        raise UsageError(
            f"{base_url!r}: a base URL has no user name and no password",
            hint="write it without them, and send them in the journeys: the header Authorization"
            " with Basic and both in base64",
        )


def parse_base_url(base_url: str) -> Address:
    """Parse a base URL; its host is not resolved.

    Raises:
        UsageError: It is invalid.
    """
    require_no_account(base_url)
    try:
        url = urlsplit(base_url)
        port = url.port
    except ValueError as error:
        raise UsageError(
            f"{base_url!r} is no URL: {error}", hint="write it like http://localhost:8000"
        ) from error
    if url.scheme not in _DEFAULT_PORTS or not url.hostname or port == 0:
        raise UsageError(
            f"{base_url!r} is no URL to load", hint="write it like http://localhost:8000"
        )
    if url.query or url.fragment:
        raise UsageError(
            f"{base_url!r}: the base URL has no query or fragment; journeys bring theirs",
            hint="write it like http://localhost:8000 or http://localhost:8000/api/v1",
        )
    host, tls = _ascii_name(url.hostname), url.scheme == "https"
    base_path = encode_path(url.path.rstrip("/"))
    return Address(host, port or _DEFAULT_PORTS[url.scheme], tls, base_path)


def _ascii_name(host: str) -> str:
    """Return the name of a host as DNS and TLS have it.

    Raises:
        UsageError: it is no name of a host.
    """
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError as error:
        raise UsageError(f"{host!r} is not the name of a host: {error}") from error


def connect_failure(error: OSError, ip: str, address: Address) -> RequestFailed:
    """Classify why no connection to an address could be opened."""
    if isinstance(error, ssl.SSLError):
        return RequestFailed(ErrorKind.TLS, str(error))
    if isinstance(error, ConnectionRefusedError):
        return RequestFailed(ErrorKind.REFUSED, f"{ip} port {address.port} refused")
    # A handshake that the server ends is an error without a number.
    kind = ErrorKind.TLS if address.tls and not error.errno else ErrorKind.RESET
    return RequestFailed(kind, f"connecting to {ip}: {error}")
