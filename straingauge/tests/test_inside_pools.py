"""`Inside` with the connection pools of SQLAlchemy, asyncpg and psycopg, on a real PostgreSQL."""

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import asyncpg
import psycopg_pool
import pytest
import sqlalchemy as sa
from metrics_text import sample, timing
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from straingauge.inside import Inside
from straingauge.target import Postgres

pytestmark = pytest.mark.usefixtures("own_values")

SLEEP = "SELECT pg_sleep(0.2)"
QUICK = "SELECT 1"
POOL = {"pool_size": 2, "max_overflow": 0}

ports = itertools.count(8000)  # services of one process and port share their values

Parts = dict[str, float]
Work = Callable[[], Any]
AsyncWork = Callable[[], Awaitable[Any]]


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    """Start a database."""
    with Postgres(durable=False, max_connections=20) as server:
        yield server.url


class WsgiService:
    """A service whose only request does the work that a test sets."""

    def __init__(self, engine: object) -> None:
        self.work: Work = lambda: None
        self._port = next(ports)
        self._inside: Any = Inside(self._app, engine=engine, metrics_path="/metrics")

    def _app(self, _: dict[str, Any], start_response: Any) -> list[bytes]:  # noqa: ANN401
        self.work()
        start_response("200 OK", [])
        return [b""]

    def get(self, path: str = "/") -> tuple[Parts, str]:
        """Send a request; return its Server-Timing and its body."""
        headers: dict[str, str] = {}
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "REMOTE_ADDR": "127.0.0.1"}
        environ["SERVER_PORT"] = str(self._port)
        body = self._inside(environ, lambda _, given: headers.update(given))
        text = headers.get("Server-Timing")
        return (timing(text) if text else {}), b"".join(body).decode()

    def metrics(self) -> dict[str, float]:
        """Return what the observer reads."""
        return sample(self.get("/metrics")[1])

    def get_together(self, count: int) -> list[Parts]:
        """Send requests at the same time; return their Server-Timing."""
        found: list[Parts] = []
        threads = [
            threading.Thread(target=lambda: found.append(self.get()[0])) for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found


class AsgiService:
    """The same in ASGI."""

    def __init__(self, engine: object) -> None:
        self.work: AsyncWork = lambda: asyncio.sleep(0)
        self._server = ("127.0.0.1", next(ports))
        self._inside: Any = Inside(self._app, engine=engine, metrics_path="/metrics")

    async def _app(self, _: Any, __: Any, send: Any) -> None:  # noqa: ANN401
        await self.work()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def get(self, path: str = "/") -> tuple[Parts, str]:
        """Send a request; return its Server-Timing and its body."""
        messages: list[Any] = []

        async def send(message: Any) -> None:  # noqa: ANN401
            messages.append(message)

        scope: dict[str, object] = {"type": "http", "method": "GET", "path": path, "headers": []}
        scope |= {"client": ("127.0.0.1", 1), "server": self._server}
        await self._inside(scope, None, send)
        text = dict(messages[0]["headers"]).get(b"server-timing")
        return (timing(text.decode()) if text else {}), messages[1]["body"].decode()

    async def metrics(self) -> dict[str, float]:
        """Return what the observer reads."""
        return sample((await self.get("/metrics"))[1])

    async def get_together(self, count: int) -> list[Parts]:
        """Send requests at the same time; return their Server-Timing."""
        return [parts for parts, _ in await asyncio.gather(*(self.get() for _ in range(count)))]


def check_waits(parts: list[Parts], metrics: dict[str, float], *, overflow: int = 0) -> None:
    """Check three requests of 0.2 s that shared two connections."""
    waits = sorted(each["pool"] for each in parts)
    assert waits[2] > 100
    assert min(each["db"] for each in parts) > 190
    assert metrics["pool_size"] == 2 - overflow
    assert (metrics["pool_in_use"], metrics["pool_waiters"]) == (0, 0)
    assert metrics["pool_overflow"] == 0
    assert metrics["pool_wait_s"] > 0.1
    assert metrics["pool_timeouts"] == 0


@pytest.mark.parametrize("overflow", [0, 1])
def test_sqlalchemy(database_url: str, overflow: int):
    """A synchronous engine shows waits, database time, and connections in use."""
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(url, pool_size=2 - overflow, max_overflow=overflow)
    service = WsgiService(engine)
    seen = []

    def work() -> None:
        with engine.connect() as connection:
            connection.execute(sa.text(SLEEP))
            seen.append(service.metrics())

    service.work = work
    check_waits(service.get_together(3), service.metrics(), overflow=overflow)
    assert max(each["pool_in_use"] for each in seen) == 2
    assert max(each["pool_overflow"] for each in seen) == overflow
    assert seen[0]["pool_waiters"] == 1
    engine.dispose()  # the engine has another pool now
    waits = service.metrics()["pool_waits"]
    service.get()
    assert service.metrics()["pool_waits"] == waits + 1
    engine.dispose()


def test_sqlalchemy_timeouts_and_errors(database_url: str):
    """A request without a connection is counted; errors reach the application unchanged."""
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.05)
    service = WsgiService(engine)
    with engine.connect():
        service.work = engine.connect
        with pytest.raises(sa.exc.TimeoutError, match="QueuePool limit"):
            service.get()
    assert service.metrics()["pool_timeouts"] == 1

    def work() -> None:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT nothing"))

    service.work = work
    with pytest.raises(sa.exc.ProgrammingError, match="nothing"):
        service.get()
    assert (service.metrics()["pool_in_use"], service.metrics()["pool_timeouts"]) == (0, 1)
    engine.dispose()


def test_an_unreachable_database_is_no_exhausted_pool():
    """A connection that cannot be opened is no time-out of the pool."""
    engine = sa.create_engine("postgresql+psycopg://127.0.0.1:1/none", **POOL)
    service = WsgiService(engine)
    service.work = engine.connect
    with pytest.raises(sa.exc.OperationalError):
        service.get()
    found = service.metrics()
    assert (found["pool_waits"], found["pool_timeouts"], found["pool_in_use"]) == (1, 0, 0)


def test_sqlalchemy_without_a_queue(database_url: str):
    """A NullPool has neither size nor limit, and the time to connect is still known."""
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(url, poolclass=NullPool)
    service = WsgiService(engine)
    service.work = lambda: engine.connect().close()
    assert service.get()[0]["pool"] > 0
    found = service.metrics()
    assert (found["pool_size"], found["pool_waits"]) == (0, 1)


def test_an_engine_of_several_apps_is_wrapped_once(database_url: str):
    """Test suites that create an app per test do not nest wrappers; the last app measures."""
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(url, **POOL)
    services = [WsgiService(engine) for _ in range(3)]
    for service in services:
        service.work = lambda: engine.connect().close()
        service.get()
    assert [service.metrics()["pool_waits"] for service in services] == [1, 1, 1]
    engine.dispose()


def test_sqlalchemy_async(database_url: str):
    """An asynchronous engine shows the same."""
    engine = create_async_engine(
        database_url.replace("postgresql://", "postgresql+asyncpg://"), **POOL
    )
    service = AsgiService(engine)

    async def work() -> None:
        async with engine.connect() as connection:
            await connection.execute(sa.text(SLEEP))

    async def load() -> None:
        service.work = work
        check_waits(await service.get_together(3), await service.metrics())
        await engine.dispose()

    asyncio.run(load())


def test_asyncpg(database_url: str):
    """A pool of asyncpg that the service creates when it starts is observed from then on."""
    holder: dict[str, Any] = {}
    service = AsgiService(lambda: holder["pool"])

    async def load() -> None:
        assert "# the engine is unknown: KeyError: 'pool'" in (await service.get("/metrics"))[1]
        async with asyncpg.create_pool(database_url, min_size=2, max_size=2) as pool:
            holder["pool"] = pool
            service.work = lambda: pool.fetchval(SLEEP)
            check_waits(await service.get_together(3), await service.metrics())

            async def transaction() -> None:
                async with pool.acquire() as connection, connection.transaction():
                    assert (await service.metrics())["pool_in_use"] == 1
                    await connection.execute(QUICK)
                    async for _ in connection.cursor(QUICK):
                        pass

            service.work = transaction
            assert (await service.get())[0]["db"] > 0

            async def exhausted() -> None:
                async with pool.acquire(), pool.acquire():
                    await pool.acquire(timeout=0.05)

            service.work = exhausted
            with pytest.raises(TimeoutError):
                await service.get()
            assert (await service.metrics())["pool_timeouts"] == 1

    asyncio.run(load())


def test_psycopg(database_url: str):
    """A pool of psycopg shows the same."""
    with psycopg_pool.ConnectionPool(database_url, min_size=2, max_size=2, open=True) as pool:
        service = WsgiService([pool])

        def work() -> None:
            with pool.connection() as connection:
                connection.execute(SLEEP)

        service.work = work
        pool.wait()
        check_waits(service.get_together(3), service.metrics())

        def exhausted() -> None:
            with pool.connection(), pool.connection():
                pool.getconn(timeout=0.05)

        service.work = exhausted
        with pytest.raises(psycopg_pool.PoolTimeout):
            service.get()
        assert service.metrics()["pool_timeouts"] == 1


def test_psycopg_async(database_url: str):
    """An asynchronous pool of psycopg shows the same."""

    async def load() -> None:
        pool = psycopg_pool.AsyncConnectionPool(database_url, min_size=2, max_size=2, open=False)
        async with pool:
            await pool.wait()
            service = AsgiService(pool)

            async def work() -> None:
                async with pool.connection() as connection:
                    await connection.execute(SLEEP)

            service.work = work
            check_waits(await service.get_together(3), await service.metrics())

    asyncio.run(load())


def test_a_pool_that_cannot_be_observed_costs_its_metrics_only():
    """An engine without the expected methods serves the application as before, and is named."""
    engine = sa.create_engine("sqlite://")
    service = WsgiService(engine)
    engine.pool = object()  # type: ignore[assignment]
    assert service.get()[0]["pool"] == 0
    text = service.get("/metrics")[1]
    assert "# the pool cannot be observed: 'object' object has no attribute '_do_get'" in text
    assert "db_pool" not in text


def test_overlapping_parts_never_exceed_the_whole():
    """Nested and simultaneous waits and calls are counted once."""
    from straingauge.inside.request_timing import RequestTiming

    request = RequestTiming()
    request.change(1, 0)
    request.change(0, 1)
    request.change(0, 1)
    request.change(-1, -1)
    request.change(0, -1)
    parts = timing(request.header(with_database=True))
    assert all(value >= 0 for value in parts.values())
    assert request.pool_ns > 0
    assert request.database_ns > 0
