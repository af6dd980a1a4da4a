"""Blocking connections with the settings of the load, for probes and metrics."""

import http.client
import socket

from straingauge.errors import TargetError
from straingauge.http.address import Address, locate
from straingauge.http.proxy import ProxyError
from straingauge.http.settings import HttpSettings
from straingauge.http.tls import alpn_protocols, tls_context


class BlockingConnection(http.client.HTTPConnection):
    """A connection to a service; its name is resolved when it connects.

    Args:
        base_url: The URL of the service; its path is not used.
        settings: Settings of connections to it.
        timeout_s: Timeout of each step.

    Raises:
        UsageError: A file of the settings cannot be used.
    """

    def __init__(self, base_url: str, settings: HttpSettings, timeout_s: float) -> None:
        self._base_url = base_url
        self._settings = settings
        is_tls = base_url.startswith("https:")
        self._tls = tls_context(settings) if is_tls else None
        self._is_http2 = settings.http2 == "prior-knowledge"  # others speak HTTP/1.1 as well
        if self._tls is not None and self._is_http2:
            self._tls.set_alpn_protocols(alpn_protocols(settings))
        super().__init__("localhost", timeout=timeout_s)
        self.auto_open = 1
        self._address: Address | None = None

    def connect(self) -> None:
        """Connect to the first address that accepts.

        Raises:
            OSError: None does, or the name does not resolve.
        """
        try:
            address = locate(self._base_url, self._settings)
        except TargetError as error:
            raise OSError(str(error)) from error
        self._address = address
        sock = _open(address, self.timeout or 0.0)
        if self._tls is not None:
            sock = self._tls.wrap_socket(sock, server_hostname=address.tls_name)
        self.sock = sock
        if self._is_http2:
            # Others need not wait until `h2` is imported.
            from straingauge.http.http2.blocking_socket import Http2Socket

            self.sock = Http2Socket(sock, "http" if self._tls is None else "https")

    def putrequest(
        self,
        method: str,
        url: str,
        skip_host: bool = False,  # noqa: FBT001, FBT002, ARG002  as in http.client
        skip_accept_encoding: bool = False,  # noqa: FBT001, FBT002  as in http.client
    ) -> None:
        """Begin a request, with the target's Host header and the headers of all requests."""
        if self.sock is None:
            self.connect()
        address = self._address
        assert address is not None
        url = address.request_root + url
        super().putrequest(method, url, skip_host=True, skip_accept_encoding=skip_accept_encoding)
        self.putheader("Host", address.host_header)
        proxy = address.settings.proxy
        if proxy is not None and proxy.authorization is not None and not address.tls:
            self.putheader("Proxy-Authorization", proxy.authorization)
        for name, value in self._settings.request_headers().items():
            self.putheader(name, value.encode("latin-1"))


def _open(address: Address, timeout_s: float) -> socket.socket:
    """Connect, and open the tunnel of a proxy.

    Raises:
        OSError: It failed.
    """
    sock = _connect(address, timeout_s)
    tunnel = address.tunnel
    if tunnel is not None:
        try:
            sock.sendall(tunnel.request)
            while not tunnel.feed(sock.recv(4096)):
                pass
        except BaseException:
            sock.close()
            raise
    return sock


def _connect(address: Address, timeout_s: float) -> socket.socket:
    if address.settings.unix_socket is not None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout_s)
        try:
            sock.connect(address.ips[0])
        except BaseException:
            sock.close()
            raise
        return sock
    for ip, is_last in address.attempts():
        try:
            return socket.create_connection((ip, address.connect_port), timeout=timeout_s)
        except OSError as error:
            if not is_last:
                continue
            if address.settings.proxy is not None:
                name = address.settings.proxy.name
                raise ProxyError(f"connecting to the proxy {name}: {error.strerror}") from error
            raise
    raise OSError("no address")
