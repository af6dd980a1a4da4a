"""Truth: parts of the response time against a service that really sleeps, and says so."""

import asyncio
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest
from straingauge.engine import Load, run_load
from straingauge.journey import User, mix
from straingauge.recording import Recorder
from straingauge.schedule import constant
from straingauge.statistics import metrics

REQUESTS = 100
SLOW = 50  # the one request that sleeps longer for its database
POOL_MS, DB_MS, SLOW_DB_MS = 2.0, 5.0, 150.0


class Sleeper(asyncio.Protocol):
    """Sleeps for its pool and its database, and says so truly."""

    answered = 0
    transports: ClassVar[list[asyncio.Transport]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        Sleeper.transports.append(transport)

    def data_received(self, _data: bytes) -> None:
        """A request, whole: they are small."""
        Sleeper.answered += 1
        db_ms = SLOW_DB_MS if Sleeper.answered == SLOW else DB_MS
        answer = (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-ID: r%d\r\n"
            b"Server-Timing: pool;dur=%.3f\r\nServer-Timing: db;dur=%.3f\r\n\r\n{}"
        ) % (Sleeper.answered, POOL_MS, db_ms)
        delay_s = (POOL_MS + db_ms) / 1000
        asyncio.get_running_loop().call_later(delay_s, self.transport.write, answer)


@pytest.fixture
def sleeper() -> Iterator[str]:
    """The service's address."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(Sleeper, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    for transport in Sleeper.transports:
        transport.abort()
    loop.run_until_complete(asyncio.sleep(0))  # in which they are closed
    loop.close()


def test_parts_and_shares_match_the_sleeps(sleeper: str):
    """Parts, rest and shares are those of the sleeps, and the slow request is found by its id."""

    def asked(user: User):
        yield user.get("/", name="GET /")

    recorder = Recorder()
    load = Load(
        sleeper,
        constant(rate_per_s=REQUESTS, duration_s=1),
        mix(asked),
        [User(n) for n in range(40)],
    )
    run_load(load, recorder)
    record = recorder.snapshot()
    whole, found = record.total("main").response, metrics(record)
    parts, slowest = found["server_timing"]["parts"], found["slowest"][0]
    assert found["server_timing"]["responses"] == whole.count == REQUESTS
    db_ms = DB_MS * (REQUESTS - 1) + SLOW_DB_MS
    whole_ms, named_ms = whole.sum_ns / 1e6, db_ms + POOL_MS * REQUESTS
    assert parts["db"]["avg_ms"] == pytest.approx(db_ms / REQUESTS, abs=1e-5)
    assert parts["db"]["p50_ms"] == pytest.approx(DB_MS, rel=0.005)
    assert parts["db"]["share"] == pytest.approx(db_ms / whole_ms, abs=1e-5)
    assert parts["unattributed"]["share"] == pytest.approx(1 - named_ms / whole_ms, abs=1e-3)
    assert sum(part["share"] for part in parts.values()) == pytest.approx(1, abs=1e-3)
    slow = next(each for each in found["slowest"] if each["request_id"] == f"r{SLOW}")
    assert slow["parts_ms"] == {"db": SLOW_DB_MS, "pool": POOL_MS}
    assert slow["response_ms"] >= SLOW_DB_MS
    share = slowest["parts_ms"]["db"] / slowest["response_ms"]
    assert parts["db"]["share_slowest"] == pytest.approx(share, abs=1e-3)
