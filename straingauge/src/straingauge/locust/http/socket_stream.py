"""A TCP connection on a plain socket: a greenlet waits, the hub receives for it."""

import errno
import os
import socket
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, Final

from gevent import GreenletExit, getcurrent, monkey
from gevent.hub import Hub

from straingauge.http.address import Address
from straingauge.http.exchange import Received
from straingauge.http.proxy import Tunnel
from straingauge.http.receive_queue import ReceiveQueue

# Locust has replaced it by gevent's class, which waits in its own ways.
_Socket: Callable[[int, int], socket.socket] = monkey.get_original("socket", "socket")
_READ: Final = 1
_WRITE: Final = 2
_RECEIVE_BYTES: Final = 64 * 1024
_NEVER: Final = 1 << 63


class TimedOut(Exception):
    """The stream's deadline has come."""


class _Deadline:
    """Wakes a greenlet whose deadline has come."""


class SocketStream:
    """A connection that at most one greenlet uses at a time.

    Attributes:
        closed: nothing can be sent any more.
        deadline_ns: when waiting ends, of `time.monotonic_ns`.
        defer_kill: a greenlet that is killed while it waits continues once, until what it waits
            for has come; False from then on.
        at_ns: when what `wait` returned last was received.
        on_unrequested: takes what is received while no greenlet waits; None to close then.
    """

    __slots__ = (
        "_greenlet",
        "_hub",
        "_queue",
        "_read_watcher",
        "_socket",
        "_timer",
        "_timer_at_ns",
        "_write_watcher",
        "at_ns",
        "closed",
        "deadline_ns",
        "defer_kill",
        "on_unrequested",
    )

    def __init__(self, hub: Hub, queue: ReceiveQueue) -> None:
        self._hub = hub
        self._queue = queue
        self._socket: socket.socket
        self._greenlet: Any = None  # the one that waits
        # Watchers of gevent's loop, which come without types.
        self._read_watcher: Any = None
        self._write_watcher: Any = None
        self._timer: Any = None
        self._timer_at_ns = _NEVER
        self.closed = True
        self.defer_kill = False
        self.deadline_ns = 0
        self.at_ns = 0
        self.on_unrequested: Callable[[Received], None] | None = None

    def open(self, ip: str, address: Address) -> None:
        """Connect to an IP address, or the socket file, of a target by the deadline.

        Raises:
            OSError: it failed.
            TimedOut: it took too long.
        """
        is_file = address.settings.unix_socket is not None
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        self._socket = _Socket(socket.AF_UNIX if is_file else family, socket.SOCK_STREAM)
        self.closed = False
        try:
            self._socket.settimeout(0)  # nothing here blocks
            if is_file:
                self._connect(ip)
            else:
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connect((ip, address.connect_port))
            # From now on everything is received, whether a greenlet waits for it or not.
            self._read_watcher = self._hub.loop.io(self._socket.fileno(), _READ)
            self._read_watcher.start(self._receive)
            if (tunnel := address.tunnel) is not None:
                self._open_tunnel(tunnel)
            self._shake_hands(address.tls_name)
        except BaseException:
            self.close()
            raise

    def _connect(self, peer: str | tuple[str, int]) -> None:
        number = self._socket.connect_ex(peer)
        # A full accept queue of a socket file is EWOULDBLOCK, and cannot be waited for.
        if number == errno.EINPROGRESS or (number == errno.EWOULDBLOCK and peer[0] != "/"):
            self._wait(writable=True)
            number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))

    def _open_tunnel(self, tunnel: Tunnel) -> None:
        """Let the proxy connect to the target, before anything is encrypted."""
        SocketStream.write(self, tunnel.request)
        is_open = False
        while not is_open:
            received = SocketStream.wait(self)
            if isinstance(received, Exception):
                raise received
            is_open = tunnel.feed(received)

    def _shake_hands(self, host: str) -> None:
        """Do what comes between connecting and the first request."""

    @property
    def protocol(self) -> str | None:
        """See `TlsStream`; without TLS, None."""
        return None

    def close(self) -> None:
        """Close at once, even with a request in flight."""
        if self.closed:
            return
        self.closed = True
        for watcher in (self._read_watcher, self._write_watcher, self._timer):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._read_watcher = self._write_watcher = self._timer = None
        self._timer_at_ns = _NEVER
        self._socket.close()

    def write(self, data: bytes | memoryview) -> memoryview | None:
        """Send at once; return what the kernel does not take, for `write_rest`."""
        try:
            written = self._socket.send(data)
        except BlockingIOError:
            return memoryview(data)
        except OSError:
            # A broken connection is reported by its reading side, after everything that can still
            # be read.
            return None
        return None if written == len(data) else memoryview(data)[written:]

    def write_rest(self, rest: memoryview) -> memoryview | None:
        """Send more of what `write` has returned; return what the kernel does not take."""
        return SocketStream.write(self, rest)  # already encrypted, if it is

    def wait(self) -> Received:
        """Wait for the next bytes, or for the connection's end.

        Raises:
            TimedOut: the deadline came first.
        """
        received = self._wait()
        assert received is not None
        return received

    def wait_writable(self) -> Received | None:
        """Wait until the stream takes more; return what is received before that, else None.

        Raises:
            TimedOut: the deadline came first.
        """
        return self._wait(writable=True)

    def _wait(self, *, writable: bool = False) -> Received | None:
        if self._timer_at_ns > self.deadline_ns:
            self._set_timer()
        if writable:
            self._watch_writing()
        self._greenlet = getcurrent()
        try:
            event: Received | _Deadline | None = self._hub.switch()
        except GreenletExit:
            if not self.defer_kill:
                raise
            self.defer_kill = False
            event = self._hub.switch()
        finally:
            self._greenlet = None
            if writable and self._write_watcher is not None:
                self._write_watcher.stop()
        if isinstance(event, _Deadline):
            raise TimedOut
        return event

    def _watch_writing(self) -> None:
        if self._write_watcher is None:
            self._write_watcher = self._hub.loop.io(self._socket.fileno(), _WRITE)
        self._write_watcher.start(self._signal_writable)

    def _set_timer(self) -> None:
        """Set the timer to the deadline.

        It is not stopped when a request ends: letting it fire without effect costs less than
        stopping and starting it for each request.
        """
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
        self._timer_at_ns = self.deadline_ns
        after_s = max(0.0, (self.deadline_ns - monotonic_ns()) / 1e9)
        self._timer = self._hub.loop.timer(after_s)
        self._timer.start(self._check_deadline)

    # The hub calls these.

    def process(self, received: Received, at_ns: int) -> None:
        """Give what was received to the greenlet that waits; see `ReceiveQueue`."""
        greenlet = self._greenlet
        if greenlet is not None:
            self.at_ns = at_ns
            greenlet.switch(received)
        elif not self.closed:
            self.at_ns = at_ns
            self._handle_unrequested(received)

    def _handle_unrequested(self, received: Received) -> None:
        """Close: the server has closed an idle connection, or sends what was not requested."""
        if self.on_unrequested is None:
            self.close()
        else:
            self.on_unrequested(received)

    def _receive(self) -> None:
        received: Received
        try:
            received = self._socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            received = error
        if not received or received.__class__ is not bytes:
            self._read_watcher.stop()  # it would report the end again and again
        self._queue.put(self, received)

    def _signal_writable(self) -> None:
        if self._greenlet is not None:
            self._greenlet.switch(None)

    def _check_deadline(self) -> None:
        self._timer_at_ns = _NEVER
        if self._greenlet is None:
            return
        if monotonic_ns() < self.deadline_ns:  # that of a later request
            self._set_timer()
        else:
            self._greenlet.switch(_Deadline())
