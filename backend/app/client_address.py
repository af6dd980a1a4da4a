"""The address of the client that sent a request. This is the only place that decides it.

Without `TRUSTED_PROXIES` it is the other end of the connection, whatever the request says. A
connection from a trusted proxy carries requests of others, which the proxy names in
`X-Forwarded-For`: each proxy adds the address that it received the request from, so entries are
true from the right as far as the proxies are trusted. The client is the last entry that is not
itself a trusted proxy; anything to its left may be forged.

`Forwarded` (RFC 7239), `X-Real-IP` and others are ignored: a proxy usually sets one header and
passes on the others as the client sent them, so with two headers one of them could be forged.
"""

import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Receive, Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNIX = "unix"
"""The other end of a Unix socket, in `TRUSTED_PROXIES` and as the address of a client."""

UNKNOWN = "unknown"
"""Address of a client whose connection has ended, or does not say where it comes from."""

IPV6_PREFIX = 64
"""A host on IPv6 chooses the last 64 bits of its address itself (RFC 4291, 2.5.1)."""

_MAPPED = IPv6Network("::ffff:0:0/96")
_with_port = re.compile(
    r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<v4>[0-9.]+))(?::(?P<port>[0-9]{1,5}))?"
).fullmatch


class TrustedProxies:
    """Proxies whose `X-Forwarded-For` is used."""

    def __init__(self, text: str) -> None:
        """Parse comma-separated addresses, networks and `unix`.

        Raises:
            ValueError: An entry is something else, or a network of all addresses.
        """
        entries = [entry.strip() for entry in text.split(",") if entry.strip()]
        self._unix = UNIX in entries
        self._networks = [_parse_network(entry) for entry in entries if entry != UNIX]

    def __contains__(self, address: Address | None) -> bool:
        if address is None:
            return self._unix
        return any(address in network for network in self._networks)

    def client(self, peer: Address | None, forwarded: Iterable[bytes]) -> Address | None:
        """Return the address of the client.

        Args:
            peer: Other end of the connection; None for a Unix socket.
            forwarded: Values of all `X-Forwarded-For` headers, in order.

        Returns:
            The client's address. It is `peer` if the headers are absent or malformed.
        """
        client = peer
        if peer not in self:
            return peer
        entries = b",".join(forwarded).decode("latin-1").split(",")
        for entry in reversed(entries if entries != [""] else []):
            address = parse_address(entry.strip(" \t"))
            if address is None:
                return peer
            client = address
            if address not in self:
                break
        return client


def _parse_network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(
            f"{text[:60]!r} is not an address, a network such as 10.0.0.0/8, or unix"
        ) from None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        prefix = network.prefixlen - _MAPPED.prefixlen
        network = IPv4Network((int(network.network_address) & 0xFFFFFFFF, prefix))
    if network.prefixlen == 0:
        raise ValueError(f"{text} trusts every sender, so each could forge its address")
    return network


def parse_address(text: str) -> Address | None:
    """Parse an address, with or without brackets and a port; None if it is anything else.

    Other spellings of one sender are made equal: a zone id is removed, and an IPv4-mapped IPv6
    address becomes the IPv4 address.
    """
    match = _with_port(text)
    if match is not None:
        if int(match["port"] or 0) > 65535:
            return None
        text = match["v6"] or match["v4"]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return None if match is not None and match["v6"] else address
    return address.ipv4_mapped or IPv6Address(int(address))


def client_address(scope: Scope, receive: Receive, proxies: TrustedProxies) -> str:
    """Return the address of the client in its shortest form; `unix` for a Unix socket."""
    text = _peer(scope, receive)
    peer = None if text == UNIX else _parse_peer(text)
    if peer is None and text != UNIX:
        return UNKNOWN
    if peer in proxies:
        headers = (value for name, value in scope["headers"] if name == b"x-forwarded-for")
        peer = proxies.client(peer, headers)
    return UNIX if peer is None else str(peer)


def _peer(scope: Scope, receive: Receive) -> str:
    """Return the other end of the connection.

    uvicorn replaces `scope["client"]` by an entry of `X-Forwarded-For` on connections from this
    machine, unless it is started with `--no-proxy-headers`. Its transport knows better.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        client = scope["client"]
        return UNIX if client is None else str(client[0])
    peer = transport.get_extra_info("peername")
    if isinstance(peer, tuple):
        return str(peer[0])
    connection = transport.get_extra_info("socket")
    is_unix = connection is not None and connection.family == socket.AF_UNIX
    return UNIX if is_unix else UNKNOWN


@lru_cache(maxsize=4096)
def _parse_peer(peer: str) -> Address | None:
    return parse_address(peer)


@lru_cache(maxsize=4096)
def sender(address: str) -> str:
    """Return what stands for one sender: an IPv4 address, or the /64 network of an IPv6 address."""
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, IPV6_PREFIX), strict=False))
    return address
