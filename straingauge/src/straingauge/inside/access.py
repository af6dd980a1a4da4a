"""Access to the page of metrics: direct connections from given networks."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

LOOPBACK = ("127.0.0.0/8", "::1/128")

FORWARDED = frozenset({"x-forwarded-for", "forwarded", "x-real-ip", "via"})
"""Headers of requests that came through a proxy, whose address says nothing about the client."""


class Access:
    """Decide who may read the metrics.

    Raises:
        ValueError: A network is not valid.
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(each) for each in networks]
        self._is_within = lru_cache(256)(self._find)

    def allows(self, client: str | None, header_names: Iterable[str]) -> bool:
        """Return true for a client that is in one of the networks and used no proxy."""
        return self._is_within(client) and FORWARDED.isdisjoint(header_names)

    def _find(self, client: str | None) -> bool:
        try:
            address = ip_address(client or "")
        except ValueError:  # a Unix domain socket has no address
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)
