import re
from collections.abc import Callable

import httpx2
from service import Service


def numbers(metrics: str, name: str) -> dict[str, float]:
    """A metric's values by their labels."""
    rows = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", metrics, re.MULTILINE)
    return {labels: float(value) for labels, value in rows}


def test_two_workers_are_counted_together(serve: Callable[..., Service]):
    """Whichever of two workers is asked, /metrics tells the requests and pools of both."""
    service = serve("--workers", "2")
    workers = set()
    sent = 0
    while len(workers) < 2 or sent < 50:
        answer = httpx2.get(f"{service.url}/ready")  # each on its own connection
        workers.add(answer.headers["x-request-id"].split("-")[0])
        sent += 1
        assert sent < 1000, "one worker never got a request"
    for _ in range(4):
        metrics = httpx2.get(f"{service.url}/metrics").text
        ready = 'method="GET",route="/ready",status="200"'
        assert numbers(metrics, "http_requests_total")[ready] == sent
        assert numbers(metrics, "db_pool_size") == {"": 20}
        assert numbers(metrics, "db_pool_wait_seconds_count") == {"": sent}
        memory = numbers(metrics, "process_resident_memory_bytes")
        assert len(memory) == 2
        assert min(memory.values()) > 10_000_000
        cpu_s, files = (
            numbers(metrics, name) for name in ("process_cpu_seconds_total", "process_open_fds")
        )
        assert memory.keys() == cpu_s.keys() == files.keys()


def test_two_services_do_not_mix_their_metrics(serve: Callable[..., Service]):
    """Services on one machine keep their numbers apart."""
    first, second = serve(), serve()
    for _ in range(5):
        httpx2.get(f"{first.url}/nowhere")
    missing = 'method="GET",route="unmatched",status="404"'
    assert numbers(httpx2.get(f"{first.url}/metrics").text, "http_requests_total")[missing] == 5
    assert missing not in numbers(httpx2.get(f"{second.url}/metrics").text, "http_requests_total")


async def test_requests_are_counted_by_their_route(client: httpx2.AsyncClient):
    """Metrics name a route's template, so that addresses and odd methods cannot multiply them."""
    for number in range(3):
        await client.get(f"/api/sessions/00000000-0000-0000-0000-00000000000{number}")
        await client.request(f"ODD{number}", "/live")
    rows = numbers((await client.get("/metrics")).text, "http_requests_total")
    routes = {label for label in rows if "00000000" in label or "ODD" in label}
    assert routes == set()
    assert any('method="OTHER"' in label for label in rows)
    assert any('route="/api/sessions/{session_id}"' in label for label in rows)
