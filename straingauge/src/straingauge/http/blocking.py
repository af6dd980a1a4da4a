"""Blocking connections with the settings of the load, for probes and metrics."""

import http.client
import socket

from straingauge.errors import TargetError
from straingauge.http.address import locate
from straingauge.http.settings import HttpSettings
from straingauge.http.tls import tls_context


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
        super().__init__("localhost", timeout=timeout_s)
        self.auto_open = 1
        self._host_header = b""

    def connect(self) -> None:
        """Connect to the first address that accepts.

        Raises:
            OSError: None does, or the name does not resolve.
        """
        try:
            address = locate(self._base_url, self._settings)
        except TargetError as error:
            raise OSError(str(error)) from error
        self._host_header = address.host_header
        sock = _open(address.ips, address.port, self.timeout or 0.0)
        if self._tls is not None:
            sock = self._tls.wrap_socket(sock, server_hostname=address.tls_name)
        self.sock = sock

    def putrequest(
        self,
        method: str,
        url: str,
        skip_host: bool = False,  # noqa: FBT001, FBT002, ARG002  as in http.client
        skip_accept_encoding: bool = False,  # noqa: FBT001, FBT002  as in http.client
    ) -> None:
        """Begin a request, with the target's Host header."""
        if self.sock is None:
            self.connect()
        super().putrequest(method, url, skip_host=True, skip_accept_encoding=skip_accept_encoding)
        self.putheader("Host", self._host_header)


def _open(ips: list[str], port: int, timeout_s: float) -> socket.socket:
    for ip in ips:
        try:
            return socket.create_connection((ip, port), timeout=timeout_s)
        except OSError:
            if ip == ips[-1]:
                raise
    raise OSError("no address")
