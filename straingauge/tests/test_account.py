"""Counting the accounts of a load."""

import base64
import json

from straingauge.http.settings import HttpSettings
from straingauge.journey import account_fingerprint

from straingauge import User, basic_auth


def token(number: int, **claims: object) -> str:
    """A JSON Web Token as a log-in returns it: no two are equal."""
    parts = ({"alg": "HS256"}, {"jti": number, **claims})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return ".".join([*(part.decode() for part in encoded), f"signature-{number}"])


def accounts(users: list[User]) -> int:
    """The number of different accounts."""
    return len({account_fingerprint(user) for user in users})


def logged_in(number: int, data: dict[str, object] | None, bearer: str) -> User:
    """A user with a token; its journey has kept other data since."""
    user = User(number, data)
    user.authorize(bearer)
    user.data["last_id"] = number
    return user


def test_one_account_with_a_token_of_each_log_in():
    """Five log-ins of one account are one account, by the token's subject or the user's data."""
    subjects = [logged_in(n, None, token(n, sub="ann")) for n in range(5)]
    data = [logged_in(n, {"email": "ann@example.org"}, f"opaque-{n}") for n in range(5)]
    assert (accounts(subjects), accounts(data)) == (1, 1)


def test_different_accounts():
    """Users of different subjects, data or tokens are different accounts."""
    subjects = [logged_in(n, {"password": "same"}, token(n, sub=f"user-{n}")) for n in range(5)]
    data = [logged_in(n, {"email": f"{n}@example.org"}, f"opaque-{n}") for n in range(5)]
    tokens = [logged_in(n, None, f"a.b.c-{n}") for n in range(5)]
    assert (accounts(subjects), accounts(data), accounts(tokens)) == (5, 5, 5)


def test_sessions_in_cookies_are_accounts():
    """Users that log in by a form have separate accounts, also behind a common password."""
    gate = HttpSettings(auth=basic_auth("gate", "open"))
    plain, behind, common = [], [], []
    for number in range(3):
        data = {"name": f"member{number}"}
        plain.append(User(number, data))
        behind.append(User(number, data, gate))
        common.append(User(number, None, gate))
    for user in (*plain, *behind):
        user.cookies.set("session", "s")
    assert (accounts(plain), accounts(behind), accounts(common)) == (3, 3, 1)


def test_no_account_without_credentials():
    """A user without an Authorization header has no account."""
    assert account_fingerprint(User(0, {"email": "ann@example.org"})) is None
