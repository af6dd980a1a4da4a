"""The service's TCP sockets: connections not yet accepted, and calls to other services.

They come from the kernel's socket diagnostics (sock_diag(7), Linux), as those of ``ss -ti``. A
connection whose last data were sent, not received, waits for a response: with HTTP and the
protocols of databases one side speaks at a time. So do look-ups of host names, which have a UDP
socket each.
"""

import contextlib
import socket
import struct
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import psutil

from straingauge.observe import name_lookups
from straingauge.observe.process import is_here

DATABASE_PORTS: Final = {5432, 6432}  # PostgreSQL and PgBouncer, for which there are other causes
DATABASE_PROGRAMS: Final = ("postgres", "pgbouncer")
MAX_HOSTS: Final = 100

_ESTABLISHED, _SYN_SENT, _LISTEN = 1, 2, 10
_NETLINK_SOCK_DIAG, _TCPDIAG_GETSOCK, _DUMP_REQUEST = 4, 18, 0x301
_DONE, _ERROR = 3, 2
_INFO: Final = 2  # the attribute with the tcp_info of include/uapi/linux/tcp.h
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBB48xII")  # the older request, for both families in one pass
_ADDRESS = struct.Struct(">HH16s16s")
_COUNTS = struct.Struct("=IIIII")  # expires, receive queue, send queue, user, inode
# Milliseconds since data were sent, data received, an ACK received; bytes in each direction.
_TRAFFIC = struct.Struct("=44xI4xII60xQQ")
_SEGMENTS = struct.Struct("=152xII")  # with data, received and sent; since Linux 4.6
_UDP_PORT: Final = -1  # of this side; no port of a server
_MESSAGE_BYTES: Final = 72  # of struct inet_diag_msg
_TIMEOUT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Socket:
    """One TCP socket of this machine.

    Attributes:
        state: Its state, as in include/net/tcp_states.h.
        port, peer_port: The ports of this side and of the other.
        peer: IP address of the other side.
        queued: Of a listening socket: connections that wait to be accepted.
        inode: Identifies the socket among the open files of its process.
        waiting_ms: Time since data were sent that nothing was received after; None if the other
            side has responded, or nothing was sent.
        exchanges: Segments with data in the direction that had fewer of them: one for each request
            and its response, or more if they are long.
        sent_bytes: Data that the other side has acknowledged.
    """

    state: int
    port: int
    peer: str
    peer_port: int
    queued: int
    inode: int
    waiting_ms: int | None
    exchanges: int = 0
    sent_bytes: int = 0


@dataclass(slots=True)
class Calls:
    """Calls of the service to one host and port during the load.

    Attributes:
        program: Name of the program that listens there; empty if it runs elsewhere.
        waiting: Calls without a response, summed over all samples.
        samples: Samples with such a call.
        peak: The most in one sample.
        longest_ms: The longest that a call waited.
        exchanges, sent_bytes: Sums of those of the sockets, from sample to sample: a connection
            that is opened and closed between two samples is missed.
    """

    program: str = ""
    waiting: int = 0
    samples: int = 0
    peak: int = 0
    longest_ms: int = 0
    exchanges: int = 0
    sent_bytes: int = 0


class ServiceSockets:
    """Observe the sockets of the service on one port.

    Args:
        port: The port of the service.

    Attributes:
        calls: Calls since `begin`, by "host:port".
    """

    def __init__(self, port: int) -> None:
        self.calls: dict[str, Calls] = {}
        self._port = port
        self._owned: dict[int, bool] = {}
        self._programs: dict[str, str] = {}
        self._ignored: frozenset[int] = frozenset()
        self._counted: dict[int, tuple[int, int]] = {}
        self._looked_up_s: dict[int, float] = {}

    def begin(self, pids: Collection[int]) -> None:
        """Start the load; what waits without load, such as a subscription, is no call."""
        self.calls = {}
        outgoing = list(self._outgoing(read_sockets(), pids))
        self._ignored = frozenset(each.inode for each in outgoing if each.waiting_ms is not None)
        self._counted = {each.inode: (each.exchanges, each.sent_bytes) for each in outgoing}

    def sample(self, pids: Collection[int]) -> dict[str, float]:
        """Return the connections not accepted and the calls that wait; empty if unavailable.

        Args:
            pids: The service's serving processes.
        """
        sockets = read_sockets()
        if not sockets:
            return {}
        listening = [s for s in sockets if s.state == _LISTEN and s.port == self._port]
        outgoing = list(self._outgoing([*sockets, *self._lookups()], pids))
        waiting = [each for each in outgoing if each.waiting_ms is not None]
        self._ignored &= {each.inode for each in waiting}  # one that was answered is used for calls
        calls = [each for each in waiting if each.inode not in self._ignored]
        self._count(calls)
        self._count_exchanges(outgoing)
        return {
            "accept_queue": float(sum(each.queued for each in listening)),
            "calls_waiting": float(len(calls)),
        }

    def _outgoing(self, sockets: Collection[Socket], pids: Collection[int]) -> Iterator[Socket]:
        """Yield the connections of the service to other programs."""
        servers = {each.port for each in sockets if each.state == _LISTEN}
        open_ = [
            each
            for each in sockets
            if each.state != _LISTEN
            and self._port not in (each.port, each.peer_port)
            and each.port not in servers  # it has responded, and waits for the next request
            and each.inode
        ]
        if {each.inode for each in open_} - self._owned.keys():
            owned = _inodes(pids)
            self._owned = {each.inode: each.inode in owned for each in open_}
        for each in open_:
            if self._owned[each.inode] and not self._is_database(each):
                yield each

    def _lookups(self) -> Iterator[Socket]:
        """Yield look-ups of host names as sockets, which wait since they were seen first."""
        found = name_lookups.read_lookups()
        now_s = time.monotonic()
        self._looked_up_s = {each.inode: self._looked_up_s.get(each.inode, now_s) for each in found}
        for each in found:
            waiting_ms = round(1000 * (now_s - self._looked_up_s[each.inode]))
            yield Socket(
                _ESTABLISHED, _UDP_PORT, each.server, name_lookups.PORT, 0, each.inode, waiting_ms
            )

    def _is_database(self, each: Socket) -> bool:
        return each.peer_port in DATABASE_PORTS or self._program(each).startswith(DATABASE_PROGRAMS)

    def _count(self, calls: Collection[Socket]) -> None:
        by_host: dict[str, list[Socket]] = {}
        for each in calls:
            by_host.setdefault(_host(each), []).append(each)
        for host, waiting in by_host.items():
            if not self._has_room(host):
                continue
            found = self.calls.setdefault(host, Calls(self._program(waiting[0])))
            found.waiting += len(waiting)
            found.samples += 1
            found.peak = max(found.peak, len(waiting))
            longest_ms = max(each.waiting_ms or 0 for each in waiting)
            found.longest_ms = max(found.longest_ms, longest_ms)

    def _count_exchanges(self, outgoing: Collection[Socket]) -> None:
        counted = {each.inode: (each.exchanges, each.sent_bytes) for each in outgoing}
        for each in outgoing:
            exchanges, sent_bytes = before = self._counted.get(each.inode, (0, 0))
            if counted[each.inode] == before or not self._has_room(_host(each)):
                continue
            found = self.calls.setdefault(_host(each), Calls(self._program(each)))
            found.exchanges += max(each.exchanges - exchanges, 0)
            found.sent_bytes += max(each.sent_bytes - sent_bytes, 0)
        self._counted = counted

    def _has_room(self, host: str) -> bool:
        return host in self.calls or len(self.calls) < MAX_HOSTS

    def _program(self, each: Socket) -> str:
        """Return the name of the program that listens at the other side, if it runs here."""
        host = _host(each)
        if host not in self._programs:
            self._programs[host] = _listening_program(each.peer, each.peer_port)
        return self._programs[host]


def read_sockets() -> list[Socket]:
    """Return the established, connecting and listening sockets of this machine.

    Empty where the kernel has no socket diagnostics.
    """
    with contextlib.suppress(OSError, AttributeError, struct.error):  # not Linux, or refused
        return list(_dump())
    return []


def _dump() -> Iterator[Socket]:
    states = 1 << _ESTABLISHED | 1 << _SYN_SENT | 1 << _LISTEN
    request = _REQUEST.pack(socket.AF_INET, 0, 0, 1 << (_INFO - 1), states, 0)
    length = _HEADER.size + len(request)
    header = _HEADER.pack(length, _TCPDIAG_GETSOCK, _DUMP_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(_TIMEOUT_S)
        netlink.send(header + request)
        while True:
            data = netlink.recv(1 << 18)
            offset = 0
            while offset + _HEADER.size <= len(data):
                size, kind, *_ = _HEADER.unpack_from(data, offset)
                if kind in (_DONE, _ERROR) or size < _HEADER.size:
                    return
                yield parse_message(data[offset + _HEADER.size : offset + size])
                offset += (size + 3) & ~3


def parse_message(message: bytes) -> Socket:
    """Parse one `struct inet_diag_msg` with its attributes."""
    family, state = message[0], message[1]
    port, peer_port, _, peer = _ADDRESS.unpack_from(message, 4)
    _, queued, _, _, inode = _COUNTS.unpack_from(message, 52)
    info = None if state == _LISTEN else _tcp_info(message)
    return Socket(
        state=state,
        port=port,
        peer=str(ip_address(peer[:4] if family == socket.AF_INET else peer)),
        peer_port=peer_port,
        queued=queued if state == _LISTEN else 0,
        inode=inode,
        waiting_ms=None if info is None else _waiting_ms(info, state),
        exchanges=min(_SEGMENTS.unpack_from(info)) if info and len(info) >= _SEGMENTS.size else 0,
        sent_bytes=0 if info is None else _TRAFFIC.unpack_from(info)[3],
    )


def _tcp_info(message: bytes) -> bytes | None:
    """Return the `struct tcp_info` of a message; None if there is none, or a shorter one."""
    offset = _MESSAGE_BYTES
    while offset + 4 <= len(message):
        size, kind = struct.unpack_from("=HH", message, offset)
        if size < 4:
            break
        if kind == _INFO and size >= 4 + _TRAFFIC.size:
            return message[offset + 4 : offset + size]
        offset += (size + 3) & ~3
    return None


def _waiting_ms(info: bytes, state: int) -> int | None:
    sent_ms, *rest = _TRAFFIC.unpack_from(info)
    return int(sent_ms) if state == _SYN_SENT or _waits(sent_ms, *rest) else None


def _waits(sent_ms: int, received_ms: int, ack_ms: int, acked: int, received: int) -> bool:
    """Return true if the other side has to speak; false if that is not certain.

    The clock ticks every few milliseconds, so a request may have the age of the response before it.
    The ACK of a request that is not answered at once comes later, by itself. Without data the ages
    are those of the connection, whose SYN counts as one byte.
    """
    if sent_ms != received_ms:
        return sent_ms < received_ms
    return ack_ms < received_ms or (acked > 1 and not received)


def _host(each: Socket) -> str:
    peer = each.peer.removeprefix("::ffff:")
    return f"[{peer}]:{each.peer_port}" if ":" in peer else f"{peer}:{each.peer_port}"


def _inodes(pids: Collection[int]) -> set[int]:
    """Return the inodes of the sockets that these processes have open."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    target = str(entry.readlink())
                    if target.startswith("socket:["):
                        found.add(int(target[8:-1]))
    return found


def _listening_program(address: str, port: int) -> str:
    if not is_here(address):
        return ""
    with contextlib.suppress(OSError, psutil.Error):
        for each in psutil.net_connections("tcp"):
            local: Any = each.laddr
            if each.status == psutil.CONN_LISTEN and each.pid and local.port == port:
                return psutil.Process(each.pid).name()
    return ""
