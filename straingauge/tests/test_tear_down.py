"""The end of users: a journey that removes what they have created."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from raw_server import Server, answering, serve
from straingauge.http import RequestFailed
from straingauge.journey import Journey, Pause, User, mix
from straingauge.result.assembly import compose
from straingauge.runner import LoadRunner, LoadSpec, LoginCache
from straingauge.schedule import constant_users
from straingauge.workers import LocalCoordinator, MergedReports

TEST = "test_it.py::test_load"


@pytest.fixture
def server() -> Iterator[Server]:
    """Start a server that answers at once."""
    with serve(answering()) as running:
        yield running


def look(user: User):
    """Send one request."""
    yield user.get("/", name="look")


def remove(user: User):
    """Remove what the user has created."""
    yield user.delete(f"/{user.index}", name="remove")


class Load:
    """A load in this process, and what is known of it after its end."""

    def __init__(self, server: Server, tear_down: Journey, journey: Journey = look) -> None:
        self.logins = LoginCache()
        self.users = [User(index) for index in range(3)]
        self._coordinator = LocalCoordinator(lambda *_: server.url, lambda _test, _merged: False)
        spec = LoadSpec(
            name="load",
            test=TEST,
            test_file=Path(__file__),
            journeys=mix(journey),
            schedule=constant_users(count=3, iterations=2),
            users=self.users,
            log_in=look,
            tear_down=tear_down,
            cooldown_s=0.0,
            timeout_s=5.0,
        )
        self._runner = LoadRunner(spec, self._coordinator, "main")

    def run(self) -> "Load":
        """Run the load."""
        self._runner.run(self.logins)
        return self

    @property
    def merged(self) -> MergedReports:
        """The state that the coordinator knows."""
        ((_, merged),) = self._coordinator.unsaved()
        return merged


def test_each_user_is_torn_down_once(server: Server):
    """Each user runs the journey once, after the load, and logs in again before the next."""
    load = Load(server, remove).run()
    result = compose(load.merged)
    removed = sorted(each.target for each in server.requests if each.method == "DELETE")
    assert removed == ["/0", "/1", "/2"]
    assert result["phases"]["teardown"]["total_requests"] == 3
    assert result["metrics"]["total_requests"] == 6
    assert set(result["endpoints"]) == {"look"}
    assert load.logins.missing(load.users) == load.users
    assert not [each for each in result["validity"]["reasons"] if each["reason"] == "tear_down"]


def test_failures_are_counted_apart(server: Server):
    """A failed tear-down is in its phase and a note, and in no measurement."""

    def fail(user: User):
        yield user.delete("/", name="remove", expect={404})

    def raise_error(user: User):
        yield user.delete("/", name="remove")
        raise KeyError("id")

    for tear_down, kind in ((fail, "bad_status"), (raise_error, "journey_error")):
        result = compose(Load(server, tear_down).run().merged)
        assert result["phases"]["teardown"]["errors"]["kinds"] == {kind: 3}
        assert result["metrics"]["error_rate_percent"] == 0
        (note,) = (each for each in result["validity"]["reasons"] if each["reason"] == "tear_down")
        assert note["severity"] == "note"
        assert note["message"].startswith("3 requests or steps of the tear-down failed")


def interrupt(user: User):
    """Press Ctrl-C during the load."""
    yield user.get("/", name="look")
    if user.index == 0:
        raise KeyboardInterrupt
    yield Pause(60)


def test_users_are_torn_down_after_ctrl_c(server: Server):
    """Ctrl-C ends the load, tears the users down, and is raised then."""
    load = Load(server, remove, interrupt)
    with pytest.raises(KeyboardInterrupt):
        load.run()
    assert sum(each.method == "DELETE" for each in server.requests) == 3
    assert compose(load.merged)["phases"]["teardown"]["total_requests"] == 3


def never_again(user: User):
    """Wait for what never comes."""
    while True:
        yield Pause(0.01)
        try:
            yield user.delete("/", name="remove", expect={404})
        except RequestFailed:
            continue


def pause(_user: User):
    """Pause for an hour."""
    yield Pause(3600)


@pytest.mark.parametrize("stuck", [never_again, pause])
def test_a_tear_down_after_ctrl_c_is_limited(
    server: Server, monkeypatch: pytest.MonkeyPatch, stuck: Callable[[User], Iterator[Pause]]
):
    """A tear-down that does not end is given up after Ctrl-C."""
    monkeypatch.setattr("straingauge.runner.load_runner.HURRIED_S", 0.1)
    load = Load(server, stuck, interrupt)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        load.run()
    compose(load.merged)


def test_users_of_a_load_that_did_not_start_are_torn_down(server: Server):
    """If a log-in fails, users that have logged in are torn down as well."""

    def log_in(user: User):
        yield user.get("/", expect={404 if user.index == 2 else 200})

    load = Load(server, remove)
    object.__setattr__(load._runner._spec, "log_in", log_in)
    with pytest.raises(Exception, match="could not log in"):
        load.run()
    assert sum(each.method == "DELETE" for each in server.requests) == 3
