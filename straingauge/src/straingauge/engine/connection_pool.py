"""A pool of connections that all virtual users of a process share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from straingauge.engine.connection import AnyConnection
from straingauge.engine.run_context import RunContext
from straingauge.engine.virtual_user import VirtualUser
from straingauge.http import RequestFailed, Response
from straingauge.http.address import connect_timeout_failure
from straingauge.journey import User


class ConnectionPool:
    """A limited number of connections; the one used last is lent first, so that few stay in use.

    A user that finds none waits: first come, first served.

    Args:
        max_connections: how many connections may be open.

    Attributes:
        waited: requests that found no free connection while the pool was full.
    """

    def __init__(self, max_connections: int) -> None:
        self._max_connections = max_connections
        self._open = 0  # open, or being opened
        self._idle: list[AnyConnection] = []
        # An ordered set: a user that times out leaves it from the middle.
        self._waiting: OrderedDict[PooledVirtualUser, None] = OrderedDict()
        self.waited = 0

    @property
    def has_connection(self) -> bool:
        """A connection is open, or being opened for another user."""
        return self._open > 0

    def borrow(self, user: PooledVirtualUser) -> None:
        """Lend a user a connection, now or when one is free."""
        if self._idle:
            user.lend(self._idle.pop())
        elif self._open < self._max_connections:
            self._open += 1
            user.open()
        else:
            self.waited += 1
            self._waiting[user] = None

    def give_back(self, connection: AnyConnection) -> None:
        """Take back a connection that can be used again."""
        if self._waiting:
            self._waiting.popitem(last=False)[0].lend(connection)
        else:
            self._idle.append(connection)

    def opened(self, user: PooledVirtualUser, connection: AnyConnection) -> None:
        """Note the connection that was opened for a user."""

    def replace_lent(self, user: PooledVirtualUser) -> None:
        """Open another connection for a user: the server had closed what was lent."""
        user.open()

    def remove_lent(self, _user: PooledVirtualUser, /) -> None:
        """Forget a lent connection that is closed: another one may be opened."""
        if self._waiting:
            self._waiting.popitem(last=False)[0].open()
        else:
            self._open -= 1

    def stop_waiting(self, user: PooledVirtualUser) -> None:
        """Forget a user that waits no longer, if it did."""
        self._waiting.pop(user, None)

    def close(self) -> None:
        """Close the idle connections; no waiting user is lent one any more."""
        self._waiting.clear()
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def has_idle(self, connection: AnyConnection) -> bool:
        """Return whether this connection waits here to be lent."""
        return connection in self._idle

    def remove_idle(self, connection: AnyConnection) -> None:
        """Forget an idle connection that is closed."""
        self._idle.remove(connection)
        self._open -= 1


class ConnectionPools:
    """The pools of all users, one for each origin.

    Args:
        max_connections: How many connections of each may be open.
    """

    def __init__(self, max_connections: int) -> None:
        self._max_connections = max_connections
        self._pools: dict[str | None, ConnectionPool] = {}

    @property
    def waited(self) -> int:
        """Requests that found no free connection while their pool was full."""
        return sum(pool.waited for pool in self._pools.values())

    def find(self, origin: str | None, *, is_http2: bool) -> ConnectionPool:
        """Return the pool of an origin; of the target if it is None.

        Args:
            origin: the origin.
            is_http2: its connections may speak HTTP/2.
        """
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = self._new_pool(is_http2=is_http2)
        return pool

    def _new_pool(self, *, is_http2: bool) -> ConnectionPool:
        if not is_http2:
            return ConnectionPool(self._max_connections)
        # Other loads need not import `h2`; `run_load` has done so before this one began.
        from straingauge.engine.http2_pool import Http2Pool

        return Http2Pool(self._max_connections)

    def remove_idle(self, connection: AnyConnection) -> None:
        """Forget an idle connection that is closed."""
        next(pool for pool in self._pools.values() if pool.has_idle(connection)).remove_idle(
            connection
        )

    def close(self) -> None:
        """Close the idle connections of all."""
        for pool in self._pools.values():
            pool.close()


class PooledVirtualUser(VirtualUser):
    """A virtual user that borrows a connection for each request."""

    __slots__ = ("_counts_in_pool", "_pool", "_pools")

    def __init__(
        self,
        user: User,
        context: RunContext,
        on_finish: Callable[[VirtualUser], None],
        pools: ConnectionPools,
    ) -> None:
        super().__init__(user, context, on_finish)
        self._pools = pools
        self._pool = pools.find(None, is_http2=self._route.may_be_http2)
        self._counts_in_pool = False  # by a connection that is lent or being opened

    def _connect(self) -> None:
        self._pool.borrow(self)

    def _timeout_failure(self, timeout_s: float) -> RequestFailed:
        if self._connection is None and not self._pool.has_connection:
            return connect_timeout_failure(timeout_s)
        return super()._timeout_failure(timeout_s)

    async def _open_and_send(self) -> None:
        await super()._open_and_send()
        if self._connection is not None:
            self._pool.opened(self, self._connection)

    def lend(self, connection: AnyConnection) -> None:
        """Send the request that waits over this connection."""
        self._counts_in_pool = True
        connection.owner = self
        self._connection = connection
        assert self._request is not None
        self._transmit(connection, self._request)

    def open(self) -> None:
        """Open a connection for the request that waits."""
        self._counts_in_pool = True
        self._open()

    def response_received(self, response: Response, first_byte_ns: int, at_ns: int) -> None:
        """Give the connection back, then work on the response; see `ConnectionOwner`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._counts_in_pool = False
            self._pool.give_back(connection)
        super().response_received(response, first_byte_ns, at_ns)

    def request_failed(self, failure: RequestFailed, at_ns: int) -> None:
        """See `ConnectionOwner`."""
        connection = self._connection
        if connection is not None and connection.is_open:
            self._connection = None
            self._counts_in_pool = False
            self._pool.give_back(connection)
        else:
            self._remove()
        super().request_failed(failure, at_ns)

    def connection_stale(self) -> None:
        """See `ConnectionOwner`."""
        self._connection = None
        self._context.reconnected += 1
        self._pool.replace_lent(self)

    def connection_closed(self, connection: AnyConnection) -> None:
        """See `ConnectionOwner`."""
        if connection is self._connection:
            super().connection_closed(connection)
            self._remove()
        else:  # given back, and not lent since
            self._pools.remove_idle(connection)

    def _switch(self, origin: str | None) -> None:
        super()._switch(origin)
        self._pool = self._pools.find(origin, is_http2=self._route.may_be_http2)

    def _disconnect(self) -> None:
        super()._disconnect()
        self._pool.stop_waiting(self)
        self._remove()

    def _remove(self) -> None:
        if self._counts_in_pool:
            self._counts_in_pool = False
            self._pool.remove_lent(self)
