"""Cookies and redirects of journeys, in the engine and in Locust, from one server."""

from collections.abc import Iterator

import pytest
from locust_caller import Locust
from raw_server import Peer, Server, serve
from single_journey import run_journey
from straingauge.http import ErrorKind
from straingauge.journey import User

JOURNEY = """
def journey(user):
    page = yield user.get("/start", follow_redirects=True)
    assert page.request.target.endswith("/home"), page.request
    yield user.post("/home", form={"a": "1"}, follow_redirects=True)
    yield user.get("/home?x=1")
    yield user.get("/loop", follow_redirects=True)
"""


def handle(peer: Peer) -> None:
    """Set a cookie with a redirect, and ask for it from then on."""
    while request := peer.read():
        path = request.target.removeprefix("/app")
        if path == "/start":
            peer.answer(302, b"", "set-cookie: sid=7; Path=/app\r\nLocation: home\r\n")
        elif path == "/loop":
            peer.answer(302, b"", "Location: /app/loop\r\n")
        elif request.method == "POST":
            peer.answer(303, b"", "Location: /app/home\r\n")
        else:
            peer.answer(200 if "\r\nCookie: sid=7" in request.head else 403)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The service, which all tests of this module share."""
    with serve(handle) as server:
        yield server


@pytest.fixture(autouse=True)
def _forget(server: Server) -> None:
    server.requests.clear()


def requests_of(server: Server) -> list[str]:
    """Methods and targets, in order."""
    return [f"{each.method} {each.target}" for each in server.requests]


SENT = [
    *("GET /app/start", "GET /app/home", "POST /app/home", "GET /app/home", "GET /app/home?x=1"),
    *["GET /app/loop"] * 11,
]


def test_the_engine_keeps_cookies_and_follows_redirects(server: Server):
    """Each redirect is a sample, and the last one of a loop is an error of its kind."""
    space: dict[str, object] = {}
    exec(JOURNEY, space)  # noqa: S102  the same text runs in Locust's process
    series, stats = run_journey(f"{server.url}/app", space["journey"])  # type: ignore[arg-type]
    assert requests_of(server) == SENT
    assert stats.sent == series.requests == len(SENT)
    assert dict(series.errors) == {ErrorKind.REDIRECT: 1}
    assert [each.detail for each in series.examples] == [
        "more than 10 redirects, the last to /app/loop"
    ]


def test_locust_sends_the_same(server: Server, caller: Locust):
    """A journey in Locust sends the same requests, recorded under the same names."""
    text = f"{JOURNEY}\nreturn str(user.run_journey(journey))"
    outcome = caller.call(f"{server.url}/app", text)
    assert requests_of(server) == SENT
    assert outcome.value == "redirect: more than 10 redirects, the last to /app/loop"
    assert sorted(outcome.record) == [
        *("main GET /home", "main GET /loop", "main GET /start", "main POST /home")
    ]


def test_cookies_can_be_switched_off(server: Server):
    """A user without cookies keeps none."""

    def journey(user: User):
        user.cookie_mode = "off"
        yield user.get("/start", expect={302})
        yield user.get("/home", expect={403})

    series, _ = run_journey(f"{server.url}/app", journey)
    assert dict(series.errors) == {}
    assert all("Cookie" not in each.head for each in server.requests)


def test_users_do_not_share_cookies(server: Server):
    """A user without a log-in sends no cookie of another one."""

    def journey(user: User):
        yield user.get("/home", expect={403})

    run_journey(f"{server.url}/app")
    series, _ = run_journey(f"{server.url}/app", journey)
    assert dict(series.errors) == {}
