"""Accounts of the virtual users, their login and the renewal of their tokens."""

import os
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from checks import has, if_success

from straingauge import ErrorKind, Pause, Request, RequestFailed, Response, TargetError, User

Steps = Generator[Request | Pause, Response, None]
"""A journey."""

T = TypeVar("T")
StepsReturning = Generator[Request | Pause, Response, T]
"""A part of a journey that returns a value."""

SEEDED_PASSWORD = "TestPass123!"
LOAD_USERS = 200
SHARED_USERS = 100
"""Load users above this number are used by the rate limit test only."""

LOGIN_STATUSES = (200, 401, 429, 503)
LOGIN_TIMEOUT_S = 150.0
RENEW_BEFORE_S = 60.0
_HAS_TOKENS = if_success(has("access_token", "refresh_token", "expires_in"))
ATTEMPTS = 5
FIRST_BACKOFF_S = 0.1


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of an account.

    Attributes:
        access: Access token.
        refresh: Refresh token.
        renew_at: Time at which to renew the access token, on `time.monotonic`.
    """

    access: str
    refresh: str
    renew_at: float


_tokens: dict[str, Tokens] = {}
"""Tokens by e-mail address. Users with the same account share them, because logins are limited."""

_logging_in: set[str] = set()


@dataclass(slots=True)
class _LoadUsers:
    """The state of the load users at the service.

    Attributes:
        exist: False if it does not know them; None if no one has logged in.
        is_checking: True while the first of them logs in. The others wait, because the service
            limits failed logins.
    """

    exist: bool | None = None
    is_checking: bool = False


_load_users = _LoadUsers()


def test_account() -> dict[str, Any]:
    """Return the account of TEST_USER_EMAIL and TEST_USER_PASSWORD, or the seeded test user."""
    return {
        "email": os.environ.get("TEST_USER_EMAIL", "test@example.com"),
        "password": os.environ.get("TEST_USER_PASSWORD", SEEDED_PASSWORD),
    }


def account(index: int) -> dict[str, Any]:
    """Return the account of user `index`: the test account first, then the load users in turn."""
    number = index % (LOAD_USERS + 1)
    return _load_user(number) if number else test_account()


def unused_account(index: int) -> dict[str, Any]:
    """Return an account that no other test uses, a different one each minute."""
    minute = int(time.time()) // 60
    return _load_user(SHARED_USERS + 1 + (index + 13 * minute) % (LOAD_USERS - SHARED_USERS))


def _load_user(number: int) -> dict[str, Any]:
    return {"email": f"load-user-{number:03d}@example.com", "password": SEEDED_PASSWORD}


def ensure_logged_in(user: User) -> Steps:
    """Log in, or renew the access token if it expires within a minute.

    A user without its token had it rejected (Locust's `JourneyUser` removes the token after a 401)
    and gets a new one. If the service does not know the seeded load users, all users share the test
    account.

    Raises:
        TargetError: The service rejects the test account.
    """
    email = user.data["email"]
    while email in _logging_in:  # another user of this account is logging in
        yield Pause(0.05)
    tokens = _tokens.get(email)
    has_token = user.headers.get("Authorization")
    was_rejected = tokens is not None and not has_token and user.data.get("token") == tokens.access
    if tokens is None or was_rejected or tokens.renew_at < time.monotonic():
        _logging_in.add(email)
        try:
            tokens = yield from _new_tokens(user, tokens)
        finally:
            _logging_in.discard(email)
    if tokens is None:
        user.data.update(test_account())
        yield from ensure_logged_in(user)
    else:
        _tokens[email] = tokens
        user.data["token"] = tokens.access
        user.authorize(tokens.access)


def _new_tokens(user: User, old: Tokens | None) -> StepsReturning[Tokens | None]:
    """Renew the tokens, or log in; return None if the service does not know this load user."""
    if old is not None:
        response = yield user.post(
            "/api/v1/auth/refresh",
            json={"refresh_token": old.refresh},
            expect=(200, 401),
            checks=[_HAS_TOKENS],
        )
        if response.status == 200:
            return _parse_tokens(response)
    credentials = {"email": user.data["email"], "password": user.data["password"]}
    if credentials == test_account():
        return (yield from _log_in(user, credentials))
    while _load_users.is_checking:
        yield Pause(0.05)
    if _load_users.exist is not None:
        return (yield from _log_in(user, credentials)) if _load_users.exist else None
    _load_users.is_checking = True
    try:
        tokens = yield from _log_in(user, credentials)
        _load_users.exist = tokens is not None
    finally:
        _load_users.is_checking = False
    return tokens


def _log_in(user: User, credentials: dict[str, Any]) -> StepsReturning[Tokens | None]:
    """Log in with a password; return None if the service does not know this load user."""
    deadline = time.monotonic() + LOGIN_TIMEOUT_S
    while True:
        response = yield from with_retries(
            user.post(
                "/api/v1/auth/login",
                json=credentials,
                expect=LOGIN_STATUSES,
                checks=[_HAS_TOKENS],
            )
        )
        if response.status == 200:
            return _parse_tokens(response)
        if response.status == 401 and credentials != test_account():
            return None
        if response.status == 401:
            raise TargetError(
                f"the service rejects the password of {credentials['email']}: set TEST_USER_EMAIL"
                " and TEST_USER_PASSWORD, or seed its database with `python -m app.seed`"
            )
        wait_s = float(response.headers.get("Retry-After") or 1)
        if time.monotonic() + wait_s > deadline:
            raise TargetError(
                f"{credentials['email']} cannot log in for another {wait_s:.0f} s"
                f" (status {response.status}): wait, or check the log of the service"
            )
        yield Pause(wait_s)


def with_retries(request: Request) -> StepsReturning[Response]:
    """Send a request of the setup, which is not measured, with retries.

    Raises:
        RequestFailed: All attempts failed.
    """
    for attempt in range(ATTEMPTS - 1):
        try:
            return (yield request)
        except RequestFailed as error:
            if error.kind is ErrorKind.REFUSED:  # no service is listening
                raise
        yield Pause(FIRST_BACKOFF_S * 2**attempt)
    return (yield request)


def _parse_tokens(response: Response) -> Tokens:
    body = response.json()
    return Tokens(
        access=body["access_token"],
        refresh=body["refresh_token"],
        renew_at=time.monotonic() + body["expires_in"] - RENEW_BEFORE_S,
    )
