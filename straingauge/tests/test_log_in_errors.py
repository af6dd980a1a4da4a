"""The reason and the advice of a log-in before a load that fails."""

from typing import Any

import pytest
from straingauge.cli import options
from straingauge.errors import TargetError
from straingauge.http import ErrorKind, RequestFailed
from straingauge.recording import Recorder
from straingauge.runner.login import Login, log_in_advice

from straingauge import UsageError, User

URL = "http://127.0.0.1:8000"


def log_in(user: User) -> Any:  # noqa: ANN401  a journey
    """Log in."""
    yield user.post("/login", json={"name": "ann"})


def attempt(failures: dict[int, Exception], count: int = 3) -> Login:
    """Return a log-in of some users, of which these fail and the others wait for a response."""
    login = Login(log_in, [User(index) for index in range(count)])
    for user in login.users:
        steps = login.journey(user)
        next(steps)
        if user.index in failures:
            with pytest.raises(type(failures[user.index])):
                steps.throw(failures[user.index])
    return login


def error_of(login: Login) -> TargetError:
    """Return the error of an attempt."""
    with pytest.raises(TargetError) as caught:
        login.require_complete(URL, Recorder().snapshot())
    return caught.value


def test_a_limited_log_in_says_so():
    """A log-in that the service limits names the status, and advises fewer users or accounts."""
    limited = RequestFailed(ErrorKind.RATE_LIMITED, "status 429, expected 200: 5 per 1 minute")
    error = error_of(attempt({1: limited}))
    assert str(error) == (
        f"a user could not log in at {URL}: rate_limited: status 429, expected 200: 5 per 1 minute"
    )
    assert error.hint is not None
    assert "log fewer users in" in error.hint
    assert "another account" in error.hint


def test_a_refused_log_in_says_so():
    """A log-in with a wrong account names the status, and advises to check the account."""
    refused = RequestFailed(ErrorKind.BAD_STATUS, "status 401, expected 200: no such account")
    error = error_of(attempt({0: refused}))
    assert "bad_status: status 401" in str(error)
    assert error.hint == log_in_advice(refused)
    assert "check the account" in error.hint


def test_log_ins_without_an_end_are_counted():
    """Without a reason, the error says how many log-ins did not end, and nothing more."""
    error = error_of(attempt({}))
    assert str(error).endswith("3 of 3 log-ins did not end in time")


def test_an_account_that_raises_keeps_its_advice():
    """A usage error of `account` is shown as it is, with its hint."""

    def account(_: int) -> dict[str, Any]:
        raise UsageError("API_USERNAME is not set", hint="export API_USERNAME=...")

    content: Any = type("Content", (), {"account": staticmethod(account)})
    with pytest.raises(UsageError, match=r"^API_USERNAME is not set$") as caught:
        options._data(content, 0)
    assert caught.value.hint == "export API_USERNAME=..."
