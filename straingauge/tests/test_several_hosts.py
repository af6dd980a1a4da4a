"""Journeys over several hosts: where requests go, and what they carry."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from locust_caller import Locust
from raw_server import Peer, Server, answering, serve
from single_journey import run_journey
from straingauge.engine import Connections, EngineStats, Load, run_load
from straingauge.errors import UsageError
from straingauge.http import RequestFailed
from straingauge.http.settings import HttpSettings
from straingauge.http.site import Site
from straingauge.journey import Journey, Pause, User, mix
from straingauge.recording import Recorder, Series
from straingauge.schedule import constant_users


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


def run_with(
    settings: Mapping[str, object],
    url: str,
    journey: Journey,
    connections: Connections = "per-user",
) -> tuple[Series, EngineStats]:
    """Run a journey once, as one user with these settings."""
    http, recorder = HttpSettings.of(settings, Path()), Recorder()
    load = Load(
        url,
        constant_users(count=1, iterations=1),
        mix(journey),
        [User(0, settings=http)],
        http=http,
        connections=connections,
    )
    stats = run_load(load, recorder)
    return recorder.snapshot().total("main"), stats


KEYS = {"auth": "query:key:k3y", "headers": {"X-Tenant": "acme"}, "follow_redirects": True}


@contextmanager
def redirecting() -> Iterator[tuple[Server, Server]]:
    """A target and another host that redirect to each other: /start there, and back to /end."""
    ports: list[int] = []

    def leading(peer: Peer) -> None:
        while (request := peer.read()) is not None:
            path = request.target.partition("?")[0]
            if path == "/base/start":
                peer.answer(302, b"", f"Location: http://127.0.0.1:{ports[1]}/auth\r\n")
            elif path == "/base/away":
                peer.answer(302, b"", "Location: http://192.0.2.1/x\r\n")
            else:
                peer.answer()

    def returning(peer: Peer) -> None:
        while peer.read() is not None:
            location = f"Location: http://127.0.0.1:{ports[0]}/base/end\r\n"
            peer.answer(307, b"", f"{location}Set-Cookie: other=1; Path=/auth\r\n")

    with serve(leading) as target, serve(returning) as other:
        ports += [target.port, other.port]
        yield target, other


@pytest.mark.parametrize("connections", ["per-user", "per-journey", "shared"])
def test_redirects_lead_to_other_hosts_and_back(connections: Connections):
    """A redirect to another host is followed, without credentials, each as its own sample."""

    def journey(user: User):
        user.headers["Authorization"] = "Bearer t0ken"
        for _ in range(2):
            answer = yield user.get("/start")
            assert answer.status == 200

    with redirecting() as (target, other):
        series, stats = run_with(KEYS, f"{target.url}/base", journey, connections)
    assert target.requests[0].target == "/base/start?key=k3y"
    assert (dict(series.errors), series.statuses) == ({}, {302: 2, 307: 2, 200: 2})
    assert stats.connections == 2
    assert [each.target for each in other.requests] == ["/auth"] * 2
    for request in other.requests:
        assert "X-Tenant" not in request.head
        assert "Authorization" not in request.head
    ends = [each.head for each in target.requests if each.target == "/base/end"]
    assert len(ends) == 2
    assert all("X-Tenant: acme" in head and "Bearer t0ken" in head for head in ends)


def test_a_redirect_to_a_host_that_is_not_allowed_is_counted():
    """A redirect to another machine is an error of its request, and the run goes on."""

    def journey(user: User):
        for _ in range(2):
            with suppress(RequestFailed):
                yield user.get("/away", follow_redirects=True)
        yield user.get("/x")

    with redirecting() as (target, _):
        series, _ = run_journey(f"{target.url}/base", journey)
    assert (dict(series.errors), series.statuses[200]) == ({"redirect": 2}, 1)
    assert "192.0.2.1 is not this machine" in series.examples[0].detail
    assert "--allow-host 192.0.2.1" in series.examples[0].detail


def test_a_key_in_a_cookie_is_for_the_target_alone(servers: tuple[Server, Server]):
    """The first request of a user may go to another host: that receives no cookie of the target."""
    target, other = servers
    elsewhere = f"http://localhost:{other.port}/first"

    def journey(user: User):
        user.cookies.set("mine", "1")
        yield user.get(elsewhere)
        yield user.get("/x")

    run_with({"auth": "cookie:sid:s3cret"}, target.url, journey)
    assert "s3cret" not in other.requests[-1].head
    assert "mine" not in other.requests[-1].head
    assert "Cookie: sid=s3cret; mine=1" in target.requests[-1].head


def test_a_locust_user_follows_the_same_redirects(caller: Locust):
    """Journeys of Locust users follow redirects to other hosts, with the engine's samples."""
    with redirecting() as (target, other):
        outcome = caller.call(
            f"{target.url}/base",
            """
            def journey(user):
                user.authorize("t0ken")
                yield user.get("/start", follow_redirects=True)
                yield user.get("/away", follow_redirects=True)

            return str(user.run_journey(journey))
            """,
        )
    name = f"main GET {other.url}/auth"
    assert {at: each["statuses"] for at, each in outcome.record.items()} == {
        "main GET /start": {"302": 1},
        name: {"307": 1},
        "main GET /end": {"200": 1},
        "main GET /away": {"302": 1},
    }
    assert outcome.record["main GET /away"]["errors"] == {"redirect": 1}
    assert outcome.setup_failures == []
    assert "Authorization" not in other.requests[-1].head
    assert "Bearer t0ken" in target.requests[1].head


def test_plain_calls_keep_the_credentials_of_the_target(
    servers: tuple[Server, Server], caller: Locust
):
    """Another host receives neither the settings' credentials nor those of the target's URL."""
    target, other = servers
    call = f"""
    client.headers["X-Own"] = "mine"
    client.get("{other.url}/y?q=1")
    client.get("{target.url}/z")
    client.get("/x")
    """
    keys = {"headers": {"X-Tenant": "acme"}, "auth": "query:key:k3y"}
    caller.call(target.url.replace("http://", "http://ada:pw@"), call, http=keys)
    there = other.requests[-1]
    assert there.target == "/y?q=1"
    assert "X-Own: mine" in there.head
    assert "X-Tenant" not in there.head
    assert "Authorization" not in there.head
    for own, path in zip(target.requests[-2:], ("/z", "/x"), strict=True):
        assert own.target == f"{path}?key=k3y"
        assert "X-Tenant: acme" in own.head
        assert "Authorization: Basic" in own.head


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
