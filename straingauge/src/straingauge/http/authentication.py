"""Credentials of requests: a password, a token or a key."""

from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from straingauge.http.cookie import Cookie
from straingauge.http.headers import require_sendable
from straingauge.redaction import hide
from straingauge.secret_source import secret

_FORMS: Final = (
    "basic:USER:SECRET, bearer:SECRET, header:NAME:SECRET, query:NAME:SECRET or"
    " cookie:NAME:SECRET, where SECRET is env:NAME, file:PATH or the text itself"
)


@dataclass(frozen=True, slots=True)
class Auth:
    """Headers, query parameters and cookies that authorize requests, for `User.authorize`.

    It is made by `basic_auth`, `bearer_auth` and `api_key`.

    Attributes:
        kind: how requests are authorized, as results show it: "basic", "header X-API-Key", ...
        headers: headers of each request.
        params: query parameters of each request.
        cookies: cookies, sent to the target alone.
    """

    kind: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    cookies: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return self.kind


def basic_auth(user: str | bytes, password: str | bytes) -> Auth:
    """Authorize requests with a user and a password (RFC 7617).

    Text is sent as Latin-1 where that has all characters, as `requests` sends it, else as UTF-8.

    Raises:
        ValueError: the user has a ":", which ends it.
    """
    name = _bytes(user)
    if b":" in name:
        raise ValueError("a user of Basic authentication has no colon")
    pair = b64encode(name + b":" + _bytes(password)).decode("ascii")
    return Auth("basic", (("Authorization", f"Basic {pair}"),))


def bearer_auth(token: str) -> Auth:
    """Authorize requests with a token (RFC 6750).

    Raises:
        ValueError: it cannot be sent.
    """
    header = "Authorization", f"Bearer {token}"
    require_sendable(*header)
    return Auth("bearer", (header,))


def api_key(
    value: str, *, header: str | None = None, query: str | None = None, cookie: str | None = None
) -> Auth:
    """Authorize requests with a key: in a header, a query parameter or a cookie of this name.

    Raises:
        ValueError: not exactly one of the three is named, or the header cannot be sent.
    """
    if sum(each is not None for each in (header, query, cookie)) != 1:
        raise ValueError("an API key has the name of a header, of a query parameter or of a cookie")
    if header is not None:
        require_sendable(header, value)
        return Auth(f"header {header}", headers=((header, value),))
    if query is not None:
        return Auth(f"query {query}", params=((query, value),))
    set_by_hand = Cookie(name=str(cookie), value=value).require_sendable()
    return Auth(f"cookie {cookie}", cookies=((set_by_hand.name, value),))


def parse_auth(text: str, folder: Path) -> Auth:
    """Parse the setting ``auth``, such as "basic:load:env:LOAD_PASSWORD".

    Args:
        text: its value.
        folder: files are relative to it.

    Raises:
        ValueError: it has another form.
        UsageError: the secret cannot be read.
    """
    kind, _, rest = text.partition(":")
    name, _, value = rest.partition(":")
    if kind == "bearer" and rest:
        return bearer_auth(_secret(rest, folder))
    if kind not in {"basic", "header", "query", "cookie"} or not name or not value:
        raise ValueError(f"must have one of the forms {_FORMS}")
    key = _secret(value, folder)
    if kind == "basic":
        auth = basic_auth(name, key)
        hide(auth.headers[0][1].partition(" ")[2])
        return auth
    return api_key(key, **{kind: name})


def _secret(text: str, folder: Path) -> str:
    if text.startswith(("env:", "file:")):
        return secret(text, folder=folder)
    hide(text)
    return text


def _bytes(text: str | bytes) -> bytes:
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()
