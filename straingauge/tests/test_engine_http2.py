"""HTTP/2 in the engine, against servers that keep a log."""

import ssl
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest
from http2_peer import Http2Peer, Http2Request, speaking_http2
from load_results import judged, reasons
from raw_server import answering, serve, speaking_tls
from single_journey import get, run_journey
from straingauge.engine import Connections, Load
from straingauge.http import ErrorKind, RequestFailed, Response
from straingauge.http.settings import HttpSettings
from straingauge.journey import Step, User, mix
from straingauge.schedule import constant_users

pytestmark = pytest.mark.usefixtures("nothing_left_open")

DELAYS_MS = (0, 20, 5, 40, 1)
SILENT = "/silent"


class Service:
    """Answers after the delay that a path names, and logs how long each request took."""

    def __init__(self) -> None:
        self.took_ns: list[int] = []

    def __call__(self, end: Http2Peer, request: Http2Request) -> None:
        """Answer a request, except one that is never answered."""
        path = request[":path"]
        if path != SILENT:
            time.sleep(int(path.removeprefix("/")) / 1000)
            self.took_ns.append(time.monotonic_ns() - request.at_ns)
            end.answer(request.stream_id, f'{{"n": {request.stream_id}}}'.encode())


def journey(user: User) -> Generator[Step, Response, None]:
    """Request each delay, and in the middle what is never answered."""
    for place, delay_ms in enumerate(DELAYS_MS):
        response = yield user.get(f"/{delay_ms}", name=f"GET {place}")
        assert response.json()["n"] == 2 * place + (3 if place > 1 else 1)
        if place == 1:
            with suppress(RequestFailed):
                yield user.get(SILENT, timeout_s=0.2)


@pytest.mark.parametrize("connections", ["per-user", "per-journey", "shared"])
def test_requests_are_streams_of_one_connection(connections: Connections):
    """They take as long as the server's log says; one that is given up leaves the connection."""
    service = Service()
    http = HttpSettings(http2="prior-knowledge")
    with serve(speaking_http2(service)) as server:
        series, stats = run_journey(server.url, journey, connections=connections, http=http)
    assert (server.connections, stats.connections, stats.http2_connections) == (1, 1, 1)
    assert (series.statuses[200], dict(series.errors)) == (len(DELAYS_MS), {ErrorKind.TIMEOUT: 1})
    least_ns = sum(service.took_ns)
    assert least_ns >= sum(DELAYS_MS) * 1e6
    assert series.first_byte.sum_ns >= 0.99 * least_ns  # a histogram rounds by less than 1 %
    assert series.response.sum_ns >= series.service.sum_ns >= 0.99 * least_ns


@pytest.mark.parametrize(("offered", "is_http2"), [(["h2"], True), (["http/1.1"], False)])
def test_an_https_server_chooses_the_protocol(
    certificate: Path, offered: list[str], *, is_http2: bool
):
    """HTTP/2 is spoken with a server that offers it (ALPN); the result says which it was."""
    context: ssl.SSLContext = speaking_tls(certificate)
    context.set_alpn_protocols(offered)
    handler = speaking_http2(lambda end, request: end.answer(request.stream_id))
    settings = HttpSettings(http2="negotiate", ca_file=Path(f"{certificate}.crt"))
    with serve(handler if is_http2 else answering(), context) as server:
        url, schedule = f"https://localhost:{server.port}", constant_users(count=1, iterations=1)
        result = judged(Load(url, schedule, mix(get), [User(0)], timeout_s=20.0, http=settings))
    assert (result["status_codes"], result["errors"]["kinds"]) == ({"200": 1}, {})
    protocol = result["resources"]["generator"]["protocol"]
    assert protocol == ("HTTP/2" if is_http2 else "HTTP/1.1")
    assert ("http1_instead" in reasons(result)) == (not is_http2)
