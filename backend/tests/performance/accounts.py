"""Whose account a virtual user has, and how it signs in and stays signed in."""

import os
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from checks import has, if_served

from straingauge import ErrorKind, Pause, Request, RequestFailed, Response, TargetError, User

Steps = Generator[Request | Pause, Response, None]
"""What a journey is."""

T = TypeVar("T")
Asking = Generator[Request | Pause, Response, T]
"""A part of a journey that finds something out."""

SEEDED_PASSWORD = "TestPass123!"
LOAD_USERS = 200
OF_THE_CROWD = 100
"""Load users beyond this number are played by no test but the one of the rate limit."""

ANSWERS = (200, 401, 429, 503)
LOGIN_PATIENCE_S = 150.0
RENEW_BEFORE_S = 60.0
_HAS_TOKENS = if_served(has("access_token", "refresh_token", "expires_in"))
ATTEMPTS = 5
FIRST_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a log-in gives. `renew_at` is read on `time.monotonic`."""

    access: str
    refresh: str
    renew_at: float


_tokens: dict[str, Tokens] = {}
"""By e-mail: users who share an account share its tokens, as it may log in only now and then."""

_asking: set[str] = set()


def test_account() -> dict[str, Any]:
    """The account of TEST_USER_EMAIL and TEST_USER_PASSWORD, else the seeded test user."""
    return {
        "email": os.environ.get("TEST_USER_EMAIL", "test@example.com"),
        "password": os.environ.get("TEST_USER_PASSWORD", SEEDED_PASSWORD),
    }


def account(index: int) -> dict[str, Any]:
    """The account of user `index`: the test account, then the load users, then round again."""
    number = index % (LOAD_USERS + 1)
    return _load_user(number) if number else test_account()


def unused_account(index: int) -> dict[str, Any]:
    """An account no other test plays, and another one each minute: its limit is untouched."""
    minute = int(time.time()) // 60
    return _load_user(OF_THE_CROWD + 1 + (index + 13 * minute) % (LOAD_USERS - OF_THE_CROWD))


def _load_user(number: int) -> dict[str, Any]:
    return {"email": f"load-user-{number:03d}@example.com", "password": SEEDED_PASSWORD}


def signed_in(user: User) -> Steps:
    """Let the user carry a token that holds for another minute: log in, or renew it in time.

    Whose token was taken away was refused with it, and gets another one: Locust's `JourneyUser`
    does that to a user which is answered 401. A service that does not know the seeded load users
    has the one test account: all share it then.

    Raises:
        TargetError: The service refuses the test account itself.
    """
    email = user.data["email"]
    while email in _asking:  # somebody else of this account is at it
        yield Pause(0.05)
    tokens = _tokens.get(email)
    carries = user.headers.get("Authorization")
    is_refused = tokens is not None and not carries and user.data.get("bears") == tokens.access
    if tokens is None or is_refused or tokens.renew_at < time.monotonic():
        _asking.add(email)
        try:
            tokens = yield from _new_tokens(user, tokens)
        finally:
            _asking.discard(email)
    if tokens is None:
        user.data.update(test_account())
        yield from signed_in(user)
    else:
        _tokens[email] = tokens
        user.data["bears"] = tokens.access
        user.authorize(tokens.access)


def _new_tokens(user: User, old: Tokens | None) -> Asking[Tokens | None]:
    """Renew the tokens, or log in; None where the service does not know this load user."""
    if old is not None:
        answer = yield user.post(
            "/api/v1/auth/refresh",
            json={"refresh_token": old.refresh},
            expect=(200, 401),
            checks=[_HAS_TOKENS],
        )
        if answer.status == 200:
            return _tokens_in(answer)
    credentials = {"email": user.data["email"], "password": user.data["password"]}
    give_up_at = time.monotonic() + LOGIN_PATIENCE_S
    while True:
        answer = yield from patiently(
            user.post("/api/v1/auth/login", json=credentials, expect=ANSWERS, checks=[_HAS_TOKENS])
        )
        if answer.status == 200:
            return _tokens_in(answer)
        if answer.status == 401 and credentials != test_account():
            return None
        if answer.status == 401:
            raise TargetError(
                f"the service does not accept {credentials['email']} with its password: set"
                " TEST_USER_EMAIL and TEST_USER_PASSWORD, or seed the database it uses by"
                " `python -m app.seed`"
            )
        wait_s = float(answer.headers.get("Retry-After") or 1)  # a 429, or a 503 of a busy service
        if time.monotonic() + wait_s > give_up_at:
            raise TargetError(
                f"{credentials['email']} cannot log in for another {wait_s:.0f} s"
                f" (status {answer.status}): wait, or look at the service's log"
            )
        yield Pause(wait_s)


def patiently(request: Request) -> Asking[Response]:
    """Ask for the setup, which is not what is measured: of a service in trouble, several times.

    Raises:
        RequestFailed: The last attempt did.
    """
    for attempt in range(ATTEMPTS - 1):
        try:
            return (yield request)
        except RequestFailed as failed:
            if failed.kind is ErrorKind.REFUSED:  # nobody is there, nor will be
                raise
        yield Pause(FIRST_PAUSE_S * 2**attempt)
    return (yield request)


def _tokens_in(answer: Response) -> Tokens:
    given = answer.json()
    return Tokens(
        access=given["access_token"],
        refresh=given["refresh_token"],
        renew_at=time.monotonic() + given["expires_in"] - RENEW_BEFORE_S,
    )
