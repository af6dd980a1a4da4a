"""Addresses of this machine."""

import ipaddress
import socket


def is_loopback(host: str) -> bool:
    """Return whether a host is loopback, by its name or address; "0.0.0.0" and "::" lead there."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def is_own_address(ip: str) -> bool:
    """Return whether an IP address is one of this machine.

    It is loopback, the address of an interface, or "0.0.0.0" or "::", for which the kernel
    connects to loopback.

    Args:
        ip: The address; an IPv6 address may have a zone ("fe80::1%eth0").
    """
    try:
        ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:  # a name without an address
        return False
    return is_loopback(ip) or _is_of_interface(ip)


def _is_of_interface(ip: str) -> bool:
    """Return whether the kernel would send to the address from the address itself.

    A datagram socket is connected without a packet being sent.
    """
    try:
        family, kind, _, _, place = socket.getaddrinfo(
            ip, 9, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )[0]
        with socket.socket(family, kind) as probe:
            probe.connect(place)
            return bool(probe.getsockname()[0] == place[0])
    except OSError:  # no route, or a broadcast address
        return False
