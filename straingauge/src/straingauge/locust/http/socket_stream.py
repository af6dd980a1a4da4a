"""One TCP connection on a plain socket: a greenlet waits, the hub receives for it."""

import errno
import os
import socket
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, Final, TypeAlias

from gevent import GreenletExit, getcurrent, monkey
from gevent.hub import Hub

from straingauge.locust.http.receive_queue import Received, ReceiveQueue

# Locust has put gevent's class in its place, which waits in ways of its own.
_Socket: Callable[[int, int], socket.socket] = monkey.get_original("socket", "socket")
_READ: Final = 1
_WRITE: Final = 2
_RECEIVE_BYTES: Final = 64 * 1024
_NEVER: Final = 1 << 63


class TimedOut(Exception):
    """The line's deadline has come."""


class Signal:
    """What a waiting greenlet can be told beside what was received."""


WRITABLE: Final = Signal()
"""The line takes more."""
_DEADLINE: Final = Signal()

Told: TypeAlias = Received | Signal


class SocketStream:
    """A connection that at most one greenlet uses at a time.

    Attributes:
        closed: nothing can be sent any more.
        deadline_ns: when waiting ends, of `time.monotonic_ns`.
        spare: whether a greenlet that is killed while it waits lives on once, until what it waits
            for has come; False from then on.
        at_ns: when what `wait` returned last was received.
    """

    __slots__ = (
        *("_hub", "_inbox", "_reading", "_rings_ns", "_socket", "_timer", "_waiting", "_writing"),
        *("at_ns", "closed", "deadline_ns", "spare"),
    )

    def __init__(self, hub: Hub, inbox: ReceiveQueue) -> None:
        self._hub = hub
        self._inbox = inbox
        self._socket: socket.socket
        self._waiting: Any = None  # the greenlet
        # Watchers of gevent's loop, which come without types.
        self._reading: Any = None
        self._writing: Any = None
        self._timer: Any = None
        self._rings_ns = _NEVER
        self.closed = True
        self.spare = False
        self.deadline_ns = 0
        self.at_ns = 0

    def open(self, ip: str, port: int, host: str) -> None:
        """Connect to this address, of this name, till the deadline.

        Raises:
            OSError: it failed.
            TimedOut: it took too long.
        """
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        self._socket = _Socket(family, socket.SOCK_STREAM)
        self.closed = False
        try:
            self._socket.settimeout(0)  # nothing here blocks
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connect(ip, port)
            # From now on whatever comes is received, whether anybody waits for it or not.
            self._reading = self._hub.loop.io(self._socket.fileno(), _READ)
            self._reading.start(self._receive)
            self._begin(host)
        except BaseException:
            self.close()
            raise

    def _connect(self, ip: str, port: int) -> None:
        number = self._socket.connect_ex((ip, port))
        if number in (errno.EINPROGRESS, errno.EWOULDBLOCK):
            self.wait(writable=True)
            number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))

    def _begin(self, host: str) -> None:
        """What comes between connecting and the first request."""

    def close(self) -> None:
        """Close at once, whatever is under way."""
        if self.closed:
            return
        self.closed = True
        for watcher in (self._reading, self._writing, self._timer):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._reading = self._writing = self._timer = None
        self._rings_ns = _NEVER
        self._socket.close()

    def write(self, data: bytes) -> memoryview | None:
        """Send this at once; what the kernel does not take is returned, for `push`."""
        try:
            taken = self._socket.send(data)
        except BlockingIOError:
            return memoryview(data)
        except OSError:
            # A broken connection is reported by its reading side, after whatever was still there
            # to be read.
            return None
        return None if taken == len(data) else memoryview(data)[taken:]

    def push(self, rest: memoryview) -> memoryview | None:
        """Send more of what `write` has left."""
        return SocketStream.write(self, rest)  # type: ignore[arg-type]  # TLS has been put around it

    def wait(self, *, writable: bool = False) -> Told:
        """Sleep until something comes, or the line takes more.

        Returns:
            Bytes, none of them at the connection's end, or the error it ended with; or `WRITABLE`.

        Raises:
            TimedOut: the deadline came first.
        """
        if self._rings_ns > self.deadline_ns:
            self._wind()
        if writable:
            self._watch_writing()
        self._waiting = getcurrent()
        try:
            told: Told = self._hub.switch()
        except GreenletExit:
            if not self.spare:
                raise
            self.spare = False
            told = self._hub.switch()
        finally:
            self._waiting = None
            if writable and self._writing is not None:
                self._writing.stop()
        if told is _DEADLINE:
            raise TimedOut
        return told

    def _watch_writing(self) -> None:
        if self._writing is None:
            self._writing = self._hub.loop.io(self._socket.fileno(), _WRITE)
        self._writing.start(self._tell_writable)

    def _wind(self) -> None:
        """Have the timer ring at the deadline.

        It is not stopped when a request ends: that it rang for nothing costs less than to stop and
        to start it for each.
        """
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
        self._rings_ns = self.deadline_ns
        after_s = max(0.0, (self.deadline_ns - monotonic_ns()) / 1e9)
        self._timer = self._hub.loop.timer(after_s)
        self._timer.start(self._ring)

    # The hub calls these.

    def take(self, received: Received, at_ns: int) -> None:
        """Give it to whoever waits; see `Inbox`."""
        waiting = self._waiting
        if waiting is not None:
            self.at_ns = at_ns
            waiting.switch(received)
        elif not self.closed:
            self._unasked(received)

    def _unasked(self, received: Received) -> None:  # noqa: ARG002  it says nothing good anyway
        """The server has closed a connection that nobody uses, or speaks unasked."""
        self.close()

    def _receive(self) -> None:
        received: Received
        try:
            received = self._socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            received = error
        if not received or received.__class__ is not bytes:
            self._reading.stop()  # it would be told again and again
        self._inbox.put(self, received)

    def _tell_writable(self) -> None:
        if self._waiting is not None:
            self._waiting.switch(WRITABLE)

    def _ring(self) -> None:
        self._rings_ns = _NEVER
        if self._waiting is None:
            return
        if monotonic_ns() < self.deadline_ns:  # that of a later request
            self._wind()
        else:
            self._waiting.switch(_DEADLINE)
