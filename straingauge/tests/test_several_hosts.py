"""Journeys over several hosts: where requests go, and what they carry."""

import json
from collections.abc import Iterator

import pytest
from locust_caller import Locust
from raw_server import Peer, Server, answering, serve
from single_journey import run_journey
from straingauge.engine import Connections
from straingauge.errors import UsageError
from straingauge.http.settings import HttpSettings
from straingauge.http.site import Site
from straingauge.journey import Pause, User


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    """The target, and another service."""
    with serve(answering()) as target, serve(answering(headers="Set-Cookie: a=1\r\n")) as other:
        yield target, other


def user_of(target: str, **settings: object) -> User:
    """A user of a target."""
    user = User(0, settings=HttpSettings(**settings))
    user.site = Site.parse(target)
    return user


def test_a_request_of_another_host_shows_it():
    """A whole URL is kept apart in host and path, and its name has both without the query."""
    request = user_of("http://localhost:8000").get("http://localhost:9000/a b?q=1")
    assert (request.origin, request.target) == ("http://localhost:9000", "/a%20b?q=1")
    assert request.name == "GET http://localhost:9000/a b"


@pytest.mark.parametrize("url", ["http://localhost:8000/x", "http://LOCALHOST:8000/x"])
def test_a_url_of_the_target_is_a_path_from_its_root(url: str):
    """A whole URL of the target goes there, without the base path before it."""
    request = user_of("http://localhost:8000").get(url)
    assert (request.origin, request.target, request.name) == (None, "/x", "GET /x")
    assert request.from_root


def test_credentials_of_the_target_are_not_for_others():
    """Another host receives the request's own headers, and no credential of the user."""
    user = user_of("http://localhost:8000", headers=(("X-Key", "k"), ("Accept", "text/plain")))
    user.headers["Authorization"] = "Bearer t"
    request = user.get("http://localhost:9000/x", headers={"X-Own": "1"})
    assert dict(request.headers) == {"Accept": "text/plain", "X-Own": "1"}
    assert user.get("/x").headers["Authorization"] == "Bearer t"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://", "it is not http"),
        ("http://u:p@localhost/x", "has a user name"),
        ("ftp://localhost/x", 'begins with "/"'),
    ],
)
def test_a_url_without_sense_is_a_value_error(url: str, message: str):
    """A URL that cannot be requested is an error in the journey."""
    with pytest.raises(ValueError, match=message):
        user_of("http://localhost").get(url)


def test_a_host_that_is_not_allowed_ends_the_run(servers: tuple[Server, Server]):
    """A request to another machine is refused before it is sent, and ends the run."""

    def journey(user: User):
        yield user.get("http://192.0.2.1/x")

    with pytest.raises(UsageError, match=r"192\.0\.2\.1 is not this machine"):
        run_journey(servers[0].url, journey)


@pytest.mark.parametrize(
    ("connections", "opened"), [("per-user", 2), ("per-journey", 2), ("shared", 2)]
)
def test_each_host_has_its_connections(
    servers: tuple[Server, Server], connections: Connections, opened: int
):
    """Requests alternate between two hosts, over one kept connection to each."""
    target, other = servers
    before = len(other.requests)

    def journey(user: User):
        for _ in range(3):
            yield user.get("/x")
            yield user.get(f"{other.url}/y")

    series, stats = run_journey(f"{target.url}/base", journey, connections=connections)
    assert (dict(series.errors), series.statuses[200], stats.connections) == ({}, 6, opened)
    seen = other.requests[before:]
    assert [each.target for each in seen] == ["/y"] * 3
    assert f"Host: 127.0.0.1:{other.port}" in seen[0].head
    assert target.requests[-1].target == "/base/x"
    assert "Cookie: a=1" in seen[-1].head


@pytest.mark.parametrize("connections", ["per-user", "shared"])
def test_a_connection_closed_meanwhile_is_replaced(
    servers: tuple[Server, Server], connections: Connections
):
    """A connection that its host closes while another host is requested is opened again."""

    def once(peer: Peer) -> None:
        peer.read()
        peer.answer()

    with serve(once) as closing:

        def journey(user: User):
            for _ in range(3):
                yield user.get(f"{closing.url}/y")
                yield Pause(0.05)
                yield user.get("/x")

        series, _ = run_journey(servers[0].url, journey, connections=connections)
    assert (dict(series.errors), series.statuses[200], closing.connections) == ({}, 6, 3)


def test_a_locust_user_requests_the_same(servers: tuple[Server, Server], caller: Locust):
    """A journey of a Locust user goes to the same hosts, under the same names."""
    target, other = servers
    outcome = caller.call(
        f"{target.url}/base",
        f"""
        def journey(user):
            yield user.get("{other.url}/y")
            yield user.get("{target.url}/z")
            yield user.get("/x")

        return str(user.run_journey(journey))
        """,
    )
    assert set(outcome.record) == {f"main GET {other.url}/y", "main GET /z", "main GET /x"}
    assert [each.target for each in target.requests[-2:]] == ["/z", "/base/x"]
    assert "192" not in json.dumps(outcome.setup_failures)
