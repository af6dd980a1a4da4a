"""HTTP proxies: their address, and the tunnels they open (RFC 9110, section 9.3.6)."""

import base64
import re
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from straingauge.redaction import HIDDEN, hide

_FORM: Final = "write it like http://localhost:3128 or http://user:password@localhost:3128"
_DEFAULT_PORT: Final = 80
_MAX_HEAD_BYTES: Final = 64 * 1024
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})(?: ([^\r\n]*))?\r\n")


class ProxyError(OSError):
    """A proxy that opens no tunnel, with its reason."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        host: Its name.
        port: Its port.
        authorization: Value of the header `Proxy-Authorization`, if it asks for an account.
    """

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse a URL, perhaps with an account.

        Raises:
            ValueError: It is not the URL of an HTTP proxy; the message does not show an account.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError(f"is not a URL: {_FORM}") from None
        if parts.scheme in {"https", "socks4", "socks5", "socks5h"}:
            raise ValueError(f"is a proxy of the kind {parts.scheme}: only http is supported")
        if parts.scheme != "http" or not host or port == 0 or not host.isascii():
            raise ValueError(f"is not the URL of a proxy: {_FORM}")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError(f"has more than host and port: {_FORM}")
        authorization = None
        if parts.username is not None:
            hide(unquote(parts.password or ""))
            account = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = f"Basic {base64.b64encode(account.encode()).decode('ascii')}"
        return cls(host, port or _DEFAULT_PORT, authorization)

    @property
    def name(self) -> str:
        """Host and port, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def header_lines(self) -> bytes:
        """Lines of the header that follow the Host header's value; empty without an account."""
        if self.authorization is None:
            return b""
        return f"\r\nProxy-Authorization: {self.authorization}".encode("ascii")

    def __str__(self) -> str:
        account = f"{HIDDEN}@" if self.authorization else ""
        return f"http://{account}{self.name}"


class Tunnel:
    """The request for a tunnel, and the proxy's response, without I/O.

    Args:
        proxy: The proxy.
        host: Name or IP address of the target.
        port: Its port.
    """

    def __init__(self, proxy: Proxy, host: str, port: int) -> None:
        self._proxy = proxy
        self._authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._received = b""

    @property
    def request(self) -> bytes:
        """The bytes to send first."""
        authority = self._authority.encode("ascii")
        lines = self._proxy.header_lines
        return b"CONNECT %b HTTP/1.1\r\nHost: %b%b\r\n\r\n" % (authority, authority, lines)

    def feed(self, data: bytes) -> bool:
        """Process received bytes, none of them at the connection's end.

        Returns:
            The tunnel is open.

        Raises:
            ProxyError: It is not opened.
        """
        if not data:
            raise self._error("closed the connection without opening a tunnel")
        self._received += data
        status = _STATUS.match(self._received)
        _, end, rest = self._received.partition(b"\r\n\r\n")
        if status is None and (end or b"\r\n" in self._received or not self._may_be_http()):
            raise self._error("does not answer like an HTTP proxy")
        if len(self._received) > _MAX_HEAD_BYTES:
            raise self._error(f"answers with more than {_MAX_HEAD_BYTES} bytes of headers")
        if not end or status is None:
            return False
        code, reason = int(status[1]), (status[2] or b"").decode("latin-1")
        if code == 407:
            raise self._error(
                f"wants an account (407 {reason}): --proxy http://user:password@{self._proxy.name}"
            )
        if not 200 <= code < 300:
            raise self._error(f"refuses a tunnel to {self._authority}: {code} {reason}".rstrip())
        if rest:
            raise self._error("sends data before the tunnel is used")
        return True

    def _may_be_http(self) -> bool:
        return b"HTTP/1.".startswith(self._received[:7])

    def _error(self, what: str) -> ProxyError:
        return ProxyError(f"the proxy {self._proxy.name} {what}")
