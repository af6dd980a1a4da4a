"""Where the load goes, and that it goes nowhere it should not."""

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from straingauge.errors import TargetError, UsageError

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(slots=True)
class Address:
    """A target's address, its name resolved once.

    Attributes:
        host: the name, as in the URL.
        port: the port.
        tls: whether to speak TLS.
        ips: what the name resolves to, in the order to try; the one that answered comes first.
    """

    host: str
    port: int
    tls: bool
    ips: list[str] = field(default_factory=list)

    @property
    def host_header(self) -> bytes:
        """The Host header's value (RFC 9110, section 7.2)."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        default = _DEFAULT_PORTS["https" if self.tls else "http"]
        return (name if self.port == default else f"{name}:{self.port}").encode("idna")

    def prefer(self, ip: str) -> None:
        """Try this one first from now on."""
        if self.ips[0] != ip:
            self.ips.remove(ip)
            self.ips.insert(0, ip)


def resolve(base_url: str, allowed_hosts: Iterable[str] = ()) -> Address:
    """The address of a URL.

    Raises:
        UsageError: the URL makes no sense, or its host is not this machine and not allowed.
        TargetError: the name does not resolve.
    """
    address = _parsed(base_url)
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise TargetError(
            f"{address.host} does not resolve: {error}", hint="check the address"
        ) from error
    address.ips = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    # A name with "%" is an address with its zone, which is not part of what is judged.
    distant = [ip for ip in address.ips if not ipaddress.ip_address(ip.split("%")[0]).is_loopback]
    if distant and address.host not in set(allowed_hosts):
        where = "" if distant[0] == address.host else f" ({distant[0]})"
        raise UsageError(
            f"{address.host}{where} is not this machine: load goes only to hosts you may put under"
            " load",
            hint=f"if {address.host} is yours to load, say so: --allow-host {address.host} (pytest:"
            " --load-host URL)",
        )
    return address


def _parsed(base_url: str) -> Address:
    try:
        url = urlsplit(base_url)
        port = url.port
    except ValueError as error:
        raise UsageError(f"{base_url!r} is no URL: {error}") from error
    if url.scheme not in _DEFAULT_PORTS or not url.hostname:
        raise UsageError(
            f"{base_url!r} is no URL to load", hint="write it like http://localhost:8000"
        )
    if url.path not in ("", "/") or url.query or url.fragment:
        raise UsageError(f"{base_url!r}: the base URL has no path; journeys bring theirs")
    return Address(url.hostname, port or _DEFAULT_PORTS[url.scheme], url.scheme == "https")
