"""Look-ups of host names that wait for a name server, by the kernel's UDP sockets (Linux).

A resolver opens a socket for each look-up, connects it to port 53 and closes it after the response,
as that of the C library does, which most languages use. See proc_net_udp(5).
"""

import contextlib
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple

PORT: Final = 53
_TABLES: Final = ("udp", "udp6")


class LookUp(NamedTuple):
    """A UDP socket that is connected to a name server.

    Attributes:
        server: IP address of the name server.
        inode: Identifies the socket among the open files of its process.
    """

    server: str
    inode: int


def read_lookups(folder: Path = Path("/proc/net")) -> list[LookUp]:
    """Return the look-ups of this machine, or of its network namespace; empty where unknown."""
    found: list[LookUp] = []
    for name in _TABLES:
        with contextlib.suppress(OSError, ValueError, IndexError):
            lines = (folder / name).read_text(encoding="ascii").splitlines()
            found += _parse(lines[1:])
    return found


def _parse(lines: list[str]) -> Iterator[LookUp]:
    for line in lines:
        words = line.split()
        address, _, port = words[2].partition(":")
        if int(port, 16) == PORT:
            yield LookUp(_address(address), int(words[9]))


def _address(words: str) -> str:
    """Parse an address of 32-bit words, each in the byte order of the machine."""
    packed = b"".join(
        socket.htonl(int(words[i : i + 8], 16)).to_bytes(4) for i in range(0, len(words), 8)
    )
    return str(ip_address(packed))
