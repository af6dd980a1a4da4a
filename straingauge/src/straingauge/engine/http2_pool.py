"""A pool whose users share HTTP/2 connections, each request on a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from straingauge.engine.connection_pool import ConnectionPool
from straingauge.engine.http2_connection import Http2Channel, Http2Connection

if TYPE_CHECKING:
    from straingauge.engine.connection import AnyConnection, Connection
    from straingauge.engine.connection_pool import PooledVirtualUser


class Http2Pool(ConnectionPool):
    """A limited number of connections, of which a further one is opened only if all are full.

    That is what HTTP/2 clients of services do. One connection is opened at a time, since it may
    have room for all that wait. If the server chooses HTTP/1.1, each request in flight has one.
    """

    def __init__(self, max_connections: int) -> None:
        super().__init__(max_connections)
        self._members: list[Connection | Http2Connection] = []
        self._opener: PooledVirtualUser | None = None  # one connection at a time is opened for it

    @property
    def has_connection(self) -> bool:
        """A connection is open: while one is opened, it is awaited by all."""
        return bool(self._members)

    def borrow(self, user: PooledVirtualUser) -> None:
        """Lend a user a channel, now or when there is room for one."""
        if self._lend(user):
            return
        self.waited += len(self._members) >= self._max_connections
        self._waiting[user] = None
        self._open_for_next()

    def opened(self, user: PooledVirtualUser, connection: AnyConnection) -> None:
        """Note the connection that was opened for a user; others may have room on it."""
        if user is self._opener:
            self._opener = None
            if isinstance(connection, Http2Channel):
                self._members.append(connection.connection)
                connection.connection.on_received = self._serve
            else:
                self._members.append(connection)
            self._serve()

    def replace_lent(self, user: PooledVirtualUser) -> None:
        """Lend a user another channel: the server had closed its connection."""
        self.remove_lent(user)
        self.borrow(user)

    def remove_lent(self, user: PooledVirtualUser, /) -> None:
        """Forget what a user had, and is closed, or that a connection is opened for it."""
        if user is self._opener:
            self._opener = None
        self._forget_closed()
        self._serve()

    def remove_idle(self, connection: AnyConnection) -> None:
        """Forget what is idle, and is closed."""
        self._idle.remove(connection)
        self._forget_closed()

    def _lend(self, user: PooledVirtualUser) -> bool:
        """Lend an idle channel or a new one; return whether there is room."""
        if self._idle:
            user.lend(self._idle.pop())
            return True
        for member in self._members:
            if isinstance(member, Http2Connection) and member.free_streams > 0:
                user.lend(member.add_channel(user))
                return True
        return False

    def _serve(self) -> None:
        """Lend to those that wait, in order, as long as there is room."""
        while self._waiting:
            user = next(iter(self._waiting))
            del self._waiting[user]
            if not self._lend(user):
                self._waiting[user] = None
                self._waiting.move_to_end(user, last=False)
                break
        self._open_for_next()

    def _open_for_next(self) -> None:
        """Open a connection for those that wait, if the limit allows one more.

        One is opened at a time, and only if it is known how many requests the others take.
        """
        if not self._waiting or self._opener is not None:
            return
        if len(self._members) < self._max_connections and all(map(_is_known, self._members)):
            self._opener, _ = self._waiting.popitem(last=False)
            self._opener.open()

    def _forget_closed(self) -> None:
        self._members = [each for each in self._members if each.is_open]


def _is_known(member: Connection | Http2Connection) -> bool:
    return not isinstance(member, Http2Connection) or member.has_settings
