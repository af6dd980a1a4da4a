"""Connections of HTTP/2 that users share, without a socket."""

from typing import cast

from http2_scene import GET, Owner, Scene, Transport
from straingauge.engine.connection import AnyConnection, Connection
from straingauge.engine.connection_pool import PooledVirtualUser
from straingauge.engine.http2_pool import Http2Pool
from straingauge.http import Response
from straingauge.http.receive_queue import ReceiveQueue


class Borrower(Owner):
    """A user of a pool, for which connections are opened on demand of the test.

    Attributes:
        lent: What it was lent.
        is_opening: A connection is to be opened for it.
    """

    def __init__(self, pool: Http2Pool) -> None:
        super().__init__()
        self._pool = pool
        self.lent: AnyConnection | None = None
        self.is_opening = False

    @property
    def user(self) -> PooledVirtualUser:
        """The same, as the pool knows it."""
        return cast("PooledVirtualUser", self)

    def lend(self, connection: AnyConnection) -> None:
        """Send a request."""
        self.lent = connection
        connection.owner = self
        connection.send(GET, b"h")

    def response_received(self, response: Response, first_byte_ns: int, at_ns: int) -> None:
        """Give back what was lent, as a user of the engine does."""
        super().response_received(response, first_byte_ns, at_ns)
        lent, self.lent = self.lent, None
        assert lent is not None
        self._pool.give_back(lent)

    def open(self) -> None:
        """Note that a connection is to be opened."""
        self.is_opening = True


class PoolScene:
    """A pool, its users, and the connections that were opened."""

    def __init__(self, users: int, max_connections: int = 10) -> None:
        self.pool = Http2Pool(max_connections)
        self.users = [Borrower(self.pool) for _ in range(users)]
        for each in self.users:
            self.pool.borrow(each.user)

    @property
    def opening(self) -> list[Borrower]:
        """The users for which connections are being opened."""
        return [each for each in self.users if each.is_opening]

    @property
    def served(self) -> int:
        """The number of users that were lent something."""
        return sum(each.lent is not None for each in self.users)

    def open(self, *, max_streams: int = 100) -> Scene:
        """Open the connection that is waited for."""
        (user,) = self.opening
        user.is_opening = False
        scene = Scene(max_streams=max_streams)
        user.lend(scene.connection.add_channel(user))
        assert user.lent is not None
        self.pool.opened(user.user, user.lent)
        return scene

    def finish(self, scene: Scene) -> None:
        """Answer all requests of a connection."""
        for request in scene.peer.complete:
            scene.peer.answer(request.stream_id)
        scene.peer.complete.clear()
        scene.pass_on()


def test_one_connection_is_shared_once_its_limit_is_known():
    """One connection is opened for all, and the others wait until the server says how many."""
    scene = PoolScene(users=5)
    assert (len(scene.opening), scene.served) == (1, 0)
    first = scene.open()
    assert (scene.opening, scene.served) == ([], 1)
    first.pass_on()
    assert (scene.opening, scene.served, len(first.peer.complete)) == ([], 5, 5)
    assert scene.pool.waited == 0


def test_a_further_connection_is_opened_when_all_are_full():
    """A server that allows two streams gets a second connection for the third request."""
    scene = PoolScene(users=3)
    scene.open(max_streams=2).pass_on()
    assert (scene.served, len(scene.opening)) == (2, 1)
    scene.open(max_streams=2).pass_on()
    assert (scene.served, scene.opening) == (3, [])


def test_requests_wait_for_a_stream_if_no_further_connection_is_allowed():
    """They are served in order as others give their channels back."""
    scene = PoolScene(users=4, max_connections=1)
    only = scene.open(max_streams=2)
    only.pass_on()
    late = Borrower(scene.pool)
    scene.pool.borrow(late.user)
    scene.users.append(late)
    assert (scene.served, scene.opening, scene.pool.waited) == (2, [], 1)
    scene.finish(only)
    assert [each.lent is not None for each in scene.users] == [False, False, True, True, False]


def test_a_connection_that_ends_is_replaced_by_one_for_all():
    """Users whose requests are to be sent again share one new connection."""
    scene = PoolScene(users=3)
    first = scene.open()
    first.pass_on()
    scene.finish(first)
    for each in scene.users:
        scene.pool.borrow(each.user)
    first.pass_on()
    first.end()
    assert [each.seen for each in scene.users] == [["200", "stale"]] * 3
    for each in scene.users:
        scene.pool.replace_lent(each.user)
    assert len(scene.opening) == 1
    scene.open().pass_on()
    assert scene.opening == []


def test_a_connection_that_cannot_be_opened_lets_the_next_user_try():
    """Each user that waits has a connection tried for it, one at a time."""
    scene = PoolScene(users=2)
    first = scene.opening[0]
    first.is_opening = False
    scene.pool.remove_lent(first.user)
    assert [each.is_opening for each in scene.users] == [False, True]


def test_an_idle_connection_that_ends_is_forgotten():
    """The next request opens another one."""
    scene = PoolScene(users=1)
    first = scene.open()
    first.pass_on()
    scene.finish(first)
    channel = scene.pool._idle[0]
    first.end()
    assert scene.users[0].seen == ["200", "idle closed"]
    scene.pool.remove_idle(channel)
    scene.pool.borrow(scene.users[0].user)
    assert len(scene.opening) == 1


def test_a_server_that_chooses_http1_gets_a_connection_for_each_request():
    """They are opened one after the other, up to the limit."""
    scene = PoolScene(users=3, max_connections=2)
    for _ in range(2):
        (user,) = scene.opening
        user.is_opening = False
        connection = Connection(user, ReceiveQueue(lambda _: None))
        connection.connection_made(cast("Transport", Transport()))  # type: ignore[arg-type]
        user.lend(connection)
        scene.pool.opened(user.user, connection)
    assert (scene.served, scene.opening) == (2, [])
