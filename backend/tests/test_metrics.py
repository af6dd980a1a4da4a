import re
from collections.abc import Awaitable, Callable

import asyncpg
import httpx2
import pytest
from pgqueuer.queries import Queries
from service import Service
from straingauge.target.ports import free_port
from straingauge.target.reaper import wait_until

pytestmark = pytest.mark.e2e

Open = Callable[..., Awaitable[httpx2.AsyncClient]]


def numbers(metrics: str, name: str) -> dict[str, float]:
    """Return the values of a metric by their labels."""
    rows = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", metrics, re.MULTILINE)
    return {labels: float(value) for labels, value in rows}


def test_metrics_cover_all_workers(serve: Callable[..., Service]):
    """Each worker returns the metrics of all workers at /metrics."""
    service = serve("--workers", "2")
    workers = set()
    sent = 0
    while len(workers) < 2 or sent < 50:
        response = httpx2.get(f"{service.url}/ready")  # on a new connection
        workers.add(response.headers["x-request-id"].split("-")[0])
        sent += 1
        assert sent < 1000, "one worker received no request"
    ready = 'method="GET",route="/ready",status="200"'

    def all_are_counted() -> bool:  # a worker writes its metrics after `FLUSH_AFTER_S`
        text = httpx2.get(f"{service.url}/metrics").text
        return numbers(text, "http_requests_total").get(ready) == sent

    assert wait_until(all_are_counted, 30)
    for _ in range(4):
        metrics = httpx2.get(f"{service.url}/metrics").text
        assert numbers(metrics, "http_requests_total")[ready] == sent
        assert numbers(metrics, "db_pool_size") == {"": 20}
        # and one in each worker at its start, for the owner of the storage
        assert numbers(metrics, "db_pool_wait_seconds_count") == {"": sent + 2}
        memory = numbers(metrics, "process_resident_memory_bytes")
        assert len(memory) == 2
        assert min(memory.values()) > 10_000_000
        cpu_s, files = (
            numbers(metrics, name) for name in ("process_cpu_seconds_total", "process_open_fds")
        )
        assert memory.keys() == cpu_s.keys() == files.keys()


def test_services_have_separate_metrics(serve: Callable[..., Service]):
    """Two services on one machine have separate metrics."""
    first, second = serve(), serve()
    for _ in range(5):
        httpx2.get(f"{first.url}/nowhere")
    missing = 'method="GET",route="unmatched",status="404"'
    assert numbers(httpx2.get(f"{first.url}/metrics").text, "http_requests_total")[missing] == 5
    assert missing not in numbers(httpx2.get(f"{second.url}/metrics").text, "http_requests_total")


async def test_requests_are_counted_by_their_route(client: httpx2.AsyncClient):
    """Metrics use path templates and known methods, so the number of labels is bounded."""
    for number in range(3):
        await client.get(f"/api/sessions/00000000-0000-0000-0000-00000000000{number}")
        await client.request(f"ODD{number}", "/live")
    rows = numbers((await client.get("/metrics")).text, "http_requests_total")
    routes = {label for label in rows if "00000000" in label or "ODD" in label}
    assert routes == set()
    assert any('method="OTHER"' in label for label in rows)
    assert any('route="/api/sessions/{session_id}"' in label for label in rows)


def value(metrics: str, name: str) -> float:
    """Return the value of a metric without labels."""
    return numbers(metrics, name)[""]


async def test_job_metrics_need_no_worker(client: httpx2.AsyncClient, database_url: str):
    """Waiting and finished jobs are counted without a job worker."""
    before = (await client.get("/metrics")).text
    assert (value(before, "jobs_waiting"), value(before, "jobs_done_total")) == (0, 0)
    connection = await asyncpg.connect(database_url)
    queries = Queries.from_asyncpg_connection(connection)
    await queries.enqueue(["a"] * 3, [None] * 3, [0] * 3)
    waiting = (await client.get("/metrics")).text
    assert (value(waiting, "jobs_waiting"), value(waiting, "jobs_done_total")) == (3, 0)
    await queries.clear_queue("a")
    await connection.execute("UPDATE pgqueuer_log SET created = now() - interval '1 minute'")
    for _ in range(3):  # also after old rows have been counted
        after = (await client.get("/metrics")).text
        assert (value(after, "jobs_waiting"), value(after, "jobs_done_total")) == (0, 3)
    await connection.close()


async def test_unavailable_database_hides_job_metrics_only(open_client: Open):
    """While the database is unavailable, all metrics except those of jobs are returned."""
    client = await open_client(
        database_url=f"postgresql://postgres@127.0.0.1:{free_port()}/nowhere"
    )
    response = await client.get("/metrics")
    assert response.status_code == 200
    assert numbers(response.text, "jobs_waiting") == {}
    assert numbers(response.text, "db_pool_size") != {}


def test_event_loop_metrics_cover_all_workers(serve: Callable[..., Service]):
    """Event loop metrics are summed over workers, except for the longest block."""
    service = serve("--workers", "2")
    metrics = httpx2.get(f"{service.url}/metrics").text
    blocks, blocked_s, longest_s = (
        value(metrics, f"event_loop_{name}")
        for name in ("blocks_total", "blocked_seconds_total", "longest_block_seconds")
    )
    assert blocked_s >= 0.1 * blocks
    assert longest_s <= blocked_s
