"""Addresses of targets, and the rule that load only goes to permitted hosts."""

import errno
import os
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from straingauge.errors import TargetError, UsageError
from straingauge.http.models import ErrorKind, RequestFailed
from straingauge.http.own_address import is_own_address
from straingauge.http.proxy import ProxyError, Tunnel
from straingauge.http.query import encode_path
from straingauge.http.settings import HttpSettings
from straingauge.http.tls import tls_failure

_DEFAULT_PORTS = {"http": 80, "https": 443}
_DEFAULTS: Final = HttpSettings()
# connect(2), socket(2): the limits of open files, of local ports and addresses, of memory.
_OUT_OF_SOCKETS: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM}
)
# connect(2), ip(7), and icmp(7), by which a router or firewall responds.
_UNREACHABLE: Final = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}
)


@dataclass(slots=True)
class Address:
    """A target's address, with its name resolved once.

    Attributes:
        host: the name, as in the URL; an international one as DNS has it (IDNA, RFC 3490).
        port: the port.
        tls: whether to use TLS.
        base_path: the URL's path without a slash at its end, such as "/api/v1"; often empty. It
            precedes the path of each request.
        ips: IP addresses to connect to, of the name or of a proxy, in the order to try; the one
            that accepted comes first. With a unix socket, its path alone.
        has_accepted: whether the first one has accepted a connection.
        settings: settings of connections to it.
    """

    host: str
    port: int
    tls: bool
    base_path: str = ""
    ips: list[str] = field(default_factory=list)
    has_accepted: bool = False
    settings: HttpSettings = _DEFAULTS

    @property
    def _name(self) -> str:
        """The name without the zone of an IPv6 address, which is known to this machine only."""
        return self.host.partition("%")[0] if ":" in self.host else self.host

    @property
    def tls_name(self) -> str:
        """Name of the server in TLS: sent to it, and looked for in its certificate."""
        return self.settings.server_name or self._name

    @property
    def host_header(self) -> bytes:
        """The Host header's value (RFC 9110, section 7.2)."""
        if self.settings.host_header is not None:
            return self.settings.host_header.encode("ascii")
        name = f"[{self._name}]" if ":" in self.host else self.host
        default = _DEFAULT_PORTS["https" if self.tls else "http"]
        return (name if self.port == default else f"{name}:{self.port}").encode("ascii")

    @property
    def host_lines(self) -> bytes:
        """The Host header's value, and the lines for the proxy that follow it."""
        proxy = self.settings.proxy
        lines = b"" if proxy is None or self.tls else proxy.header_lines
        return self.host_header + lines

    @property
    def request_root(self) -> str:
        """Scheme and host before each path, for a proxy (RFC 9112, section 3.2.2); else empty."""
        if self.settings.proxy is None or self.tls:
            return ""
        return f"http://{self.host_header.decode('ascii')}"

    @property
    def tunnel(self) -> Tunnel | None:
        """A new tunnel to open through the proxy before TLS; None if there is none to open."""
        proxy = self.settings.proxy
        return Tunnel(proxy, self.host, self.port) if proxy is not None and self.tls else None

    @property
    def connect_port(self) -> int:
        """The port to connect to: of the proxy, if there is one."""
        return self.port if self.settings.proxy is None else self.settings.proxy.port

    def attempts(self) -> list[tuple[str, bool]]:
        """IP addresses in the order to try, each with whether it is the last one."""
        return [(ip, ip == self.ips[-1]) for ip in self.ips]

    def prefer(self, ip: str) -> None:
        """Try this IP address, which has accepted a connection, first from now on."""
        self.has_accepted = True
        if self.ips[0] != ip:
            self.ips.remove(ip)
            self.ips.insert(0, ip)


def resolve(
    base_url: str, allowed_hosts: Iterable[str] = (), settings: HttpSettings = _DEFAULTS
) -> Address:
    """Parse a base URL and resolve its host.

    Args:
        base_url: scheme, host and port, perhaps with a base path.
        allowed_hosts: hosts other than this machine that may be put under load.
        settings: settings of connections to it.

    Raises:
        UsageError: the URL is invalid, or its host is not this machine and not allowed.
        TargetError: the name does not resolve.
    """
    address = locate(base_url, settings)
    _require_http2_possible(address)
    proxy = settings.proxy
    if proxy is not None:
        _require_allowed(proxy.host, address.ips, allowed_hosts)
        # The proxy looks the target's name up; here it only has to be allowed.
        _require_allowed(address.host, _addresses(address.host, address.port), allowed_hosts)
    elif settings.unix_socket is None:
        _require_allowed(address.host, address.ips, allowed_hosts)
    return address


def locate(base_url: str, settings: HttpSettings = _DEFAULTS) -> Address:
    """Parse a base URL and resolve its host, wherever it is; see `resolve`."""
    address = parse_base_url(base_url)
    address.settings = settings
    host, port, proxy = address.host, address.port, settings.proxy
    if settings.unix_socket is not None:
        address.ips = [str(settings.unix_socket.absolute())]
        return address
    if proxy is not None:
        host, port = proxy.host, proxy.port
        if settings.host_header is not None and not address.tls:
            raise UsageError(
                f"a proxy sends the host of the URL, not the Host header {settings.host_header}",
                hint="leave out --host-header or --proxy, or write the host in the URL",
            )
    address.ips = list(settings.addresses_of(host, port)) or _look_up(host, port)
    return address


def _require_http2_possible(address: Address) -> None:
    """Require that HTTP/2, if it is asked for, can be agreed on with the server.

    Raises:
        UsageError: It cannot.
    """
    settings = address.settings
    if settings.http2 is None or address.tls:
        return
    if settings.proxy is not None:
        raise UsageError(
            f"HTTP/2 to http://{address.host} cannot pass the proxy {settings.proxy}",
            hint="leave out HTTP/2 or the proxy, or use https, for which the proxy opens a tunnel",
        )
    if settings.http2 == "negotiate":
        raise UsageError(
            f"HTTP/2 is negotiated with TLS, and http://{address.host} has none",
            hint='--http2-prior-knowledge (in [http]: http2 = "prior-knowledge"), if the server'
            " speaks HTTP/2 without negotiation",
        )


def _addresses(host: str, port: int) -> list[str]:
    """Return the addresses of a host; if it has none here, the host itself."""
    try:
        return _look_up(host, port)
    except TargetError:
        return [host]


def _look_up(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise TargetError(f"{host} does not resolve: {error}", hint="check the address") from error
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def _require_allowed(host: str, ips: Iterable[str], allowed_hosts: Iterable[str]) -> None:
    """Require that a host, by its name or each of its addresses, may be put under load.

    Raises:
        UsageError: it is not this machine and not allowed.
    """
    allowed = {_ascii_name(each) for each in allowed_hosts}
    remote = [ip for ip in ips if not is_own_address(ip) and ip not in allowed]
    if remote and host not in allowed:
        where = "" if remote[0] == host else f" ({remote[0]})"
        raise UsageError(
            f"{host}{where} is not this machine: load goes only to hosts you may put under load",
            hint=f"if {host} is yours to load, say so: --allow-host {host} (pytest:"
            f" --load-allow-host {host})",
        )


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
    # The "%" before the zone of an IPv6 address is percent-encoded in URLs (RFC 6874).
    named = url.hostname.replace("%25", "%", 1) if ":" in url.hostname else url.hostname
    host, tls = _ascii_name(named), url.scheme == "https"
    try:
        base_path = encode_path(url.path.rstrip("/"))
    except UnicodeEncodeError as error:  # bytes of the command line that are not UTF-8
        raise UsageError(
            f"{base_url!r} is no URL: its path is not UTF-8", hint="write such bytes like %E4"
        ) from error
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


class NoHttp2Error(OSError):
    """The server of an open connection does not offer HTTP/2, though it should."""

    def __init__(self) -> None:
        super().__init__("the server does not offer HTTP/2 (ALPN)")


def connect_timeout_failure(timeout_s: float) -> RequestFailed:
    """Return the failure of a request for which no connection could be opened in time."""
    return RequestFailed(ErrorKind.CONNECT_TIMEOUT, f"no connection within {timeout_s:g} s")


def is_out_of_sockets(error: BaseException) -> bool:
    """Return whether an error is a limit of this machine, whatever is at the other end."""
    return isinstance(error, OSError) and error.errno in _OUT_OF_SOCKETS


def connect_failure(error: OSError, ip: str, address: Address) -> RequestFailed:
    """Classify why no connection to an address could be opened."""
    if isinstance(error, ssl.SSLError):
        return tls_failure(error)
    if is_out_of_sockets(error):
        detail = f"connecting to {ip}: {error.strerror} (on this machine)"
        return RequestFailed(ErrorKind.OUT_OF_SOCKETS, detail)
    if isinstance(error, NoHttp2Error | ProxyError):
        is_proxy = isinstance(error, ProxyError)
        return RequestFailed(ErrorKind.PROXY if is_proxy else ErrorKind.NO_HTTP2, str(error))
    if address.settings.proxy is not None and error.errno:
        name = address.settings.proxy.name
        text = f"connecting to the proxy {name}: {os.strerror(error.errno)}"
        return RequestFailed(ErrorKind.PROXY, text)
    if address.settings.unix_socket is not None:
        return _socket_failure(error, ip)
    return _network_failure(error, ip, address)


def _network_failure(error: OSError, ip: str, address: Address) -> RequestFailed:
    if isinstance(error, TimeoutError):
        return RequestFailed(ErrorKind.CONNECT_TIMEOUT, f"connecting to {ip}: {error}")
    if isinstance(error, ConnectionRefusedError):
        return RequestFailed(ErrorKind.REFUSED, f"{ip} port {address.port} refused")
    if error.errno in _UNREACHABLE:
        return RequestFailed(ErrorKind.UNREACHABLE, f"connecting to {ip}: {error.strerror}")
    # A handshake that the server ends is an error without a number, and often without a text.
    kind = ErrorKind.TLS if address.tls and not error.errno else ErrorKind.RESET
    text = str(error) or "the server closed within the handshake"
    return RequestFailed(kind, f"connecting to {ip}: {text}")


def _socket_failure(error: OSError, path: str) -> RequestFailed:
    if isinstance(error, FileNotFoundError):
        detail = f"{path}: there is no such socket file; start the service, or check --unix-socket"
        return RequestFailed(ErrorKind.NO_SOCKET, detail)
    if isinstance(error, BlockingIOError):
        return RequestFailed(ErrorKind.REFUSED, f"{path}: too many connections wait to be accepted")
    if isinstance(error, ConnectionRefusedError):
        return RequestFailed(ErrorKind.REFUSED, f"{path}: nothing listens at this socket file")
    return RequestFailed(ErrorKind.RESET, f"{path}: {error.strerror or error}")
