"""Addresses to use in place of those that a name resolves to, as curl's --resolve."""

import ipaddress
from dataclasses import dataclass
from typing import Final, Self

_FORM: Final = "write it as HOST:PORT:ADDRESS, like api.example:443:127.0.0.1"


@dataclass(frozen=True, slots=True)
class ResolveOverride:
    """IP addresses of a host and a port.

    Attributes:
        host: The name, in lower case.
        port: The port.
        ips: The addresses to connect to, in the order to try.
    """

    host: str
    port: int
    ips: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse HOST:PORT:ADDRESS[,ADDRESS]; a host or address of IPv6 may have brackets.

        Raises:
            ValueError: It is not of this form; the message says what is wrong.
        """
        start = text.find("]:") + 1 if text.startswith("[") else 0
        host, _, rest = text[start:].partition(":")
        port, _, addresses = rest.partition(":")
        host = (text[:start] + host).strip("[]")
        if not (host and addresses and port.isascii() and port.isdigit()):
            raise ValueError(f"{text!r} has no host, port and address: {_FORM}")
        if not 0 < int(port) < 65536:
            raise ValueError(f"{text!r}: {port} is not a port")
        ips = tuple(each.strip().strip("[]") for each in addresses.split(","))
        for ip in ips:
            try:
                ipaddress.ip_address(ip.split("%")[0])
            except ValueError:
                raise ValueError(f"{text!r}: {ip!r} is not an IP address: {_FORM}") from None
        return cls(host.lower(), int(port), ips)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}:{','.join(self.ips)}"
