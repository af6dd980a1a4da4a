"""Authentication of plain Locust calls: a user and a password, or an object as for `requests`."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from requests import PreparedRequest
from requests.hooks import default_hooks
from requests.structures import CaseInsensitiveDict

from straingauge.errors import UsageError
from straingauge.http.authentication import basic_auth

Auth: TypeAlias = tuple[str | bytes, str | bytes] | Callable[[Any], Any]
"""A user and a password, or a function that changes a `requests.PreparedRequest`."""


def authorize(
    auth: Auth, method: str, url: str, headers: Mapping[str, str], body: object
) -> dict[str, str]:
    """Return the headers that authentication adds or changes.

    Raises:
        UsageError: it is neither a pair nor a function, or needs an answer first, as digest does.
    """
    if isinstance(auth, tuple | list) and len(auth) == 2:
        return dict(basic_auth(auth[0], auth[1]).headers)
    if not callable(auth):
        raise UsageError(
            "auth: expected a user and a password, or a function, not " + type(auth).__name__
        )
    prepared = PreparedRequest()
    prepared.method, prepared.url, prepared.hooks = method, url, default_hooks()
    prepared.headers = CaseInsensitiveDict(headers)
    prepared.body = body if isinstance(body, bytes) else None
    changed = auth(prepared) or prepared
    if changed.url != url or any(changed.hooks.values()):
        raise UsageError(
            f"auth={type(auth).__name__}: JourneyUser supports authentication by headers alone",
            hint="use Locust's HttpUser; its requests are recorded, too",
        )
    return {name: str(value) for name, value in changed.headers.items()}
