"""One pool of connections that all players of a process share."""

from collections import OrderedDict

from straingauge.engine.connection import Connection
from straingauge.engine.run_context import RunContext
from straingauge.engine.virtual_user import VirtualUser
from straingauge.http import RequestFailed, Response
from straingauge.journey import User


class ConnectionPool:
    """At most so many connections; the one used last is lent first, so that few stay warm.

    Whoever finds none waits its turn: first come, first served.

    Attributes:
        waited: requests that found no free connection, nor room for a new one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0  # open, or being opened
        self._idle: list[Connection] = []
        # An ordered set: who gives up waiting leaves it from the middle.
        self._waiting: OrderedDict[PooledVirtualUser, None] = OrderedDict()
        self.waited = 0

    def borrow(self, player: "PooledVirtualUser") -> None:
        """Lend this player a connection, now or when one is free."""
        if self._idle:
            player.lend(self._idle.pop())
        elif self._taken < self._most:
            self._taken += 1
            player.open()
        else:
            self.waited += 1
            self._waiting[player] = None

    def give_back(self, connection: Connection) -> None:
        """This connection can be used again."""
        if self._waiting:
            self._waiting.popitem(last=False)[0].lend(connection)
        else:
            self._idle.append(connection)

    def lost(self) -> None:
        """A connection that was lent is gone: there is room for another."""
        if self._waiting:
            self._waiting.popitem(last=False)[0].open()
        else:
            self._taken -= 1

    def leave(self, player: "PooledVirtualUser") -> None:
        """This player waits no longer, if it did."""
        self._waiting.pop(player, None)

    def close(self) -> None:
        """Close what nobody uses; nobody's turn comes any more."""
        self._waiting.clear()
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def dropped(self, connection: Connection) -> None:
        """A connection that nobody used is gone."""
        self._idle.remove(connection)
        self._taken -= 1


class PooledVirtualUser(VirtualUser):
    """A player that has a connection for the length of one request."""

    __slots__ = ("_pool", "_takes_place")

    def __init__(self, user: User, stage: RunContext, pool: ConnectionPool) -> None:
        super().__init__(user, stage)
        self._pool = pool
        self._takes_place = False  # in the pool, by a connection lent or being opened

    def _connect(self) -> None:
        self._pool.borrow(self)

    def lend(self, connection: Connection) -> None:
        """Use this connection for the request that waits."""
        self._takes_place = True
        connection.owner = self
        self._connection = connection
        assert self._request is not None
        self._transmit(connection, self._request)

    def open(self) -> None:
        """Open a connection for the request that waits."""
        self._takes_place = True
        super()._connect()

    def answered(self, response: Response, first_byte_ns: int, at_ns: int) -> None:
        """See `connection.Owner`; others may use the connection from now on."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._takes_place = False
            self._pool.give_back(connection)
        super().answered(response, first_byte_ns, at_ns)

    def failed(self, failure: RequestFailed, at_ns: int) -> None:
        """See `connection.Owner`."""
        self._lose()
        super().failed(failure, at_ns)

    def dropped(self, connection: Connection) -> None:
        """See `connection.Owner`."""
        if connection is self._connection:
            super().dropped(connection)
            self._lose()
        else:  # given back, and lent to nobody since
            self._pool.dropped(connection)

    def _hang_up(self) -> None:
        super()._hang_up()
        self._pool.leave(self)
        self._lose()

    def _lose(self) -> None:
        if self._takes_place:
            self._takes_place = False
            self._pool.lost()
