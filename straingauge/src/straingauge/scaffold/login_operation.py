"""The operation of a service that exchanges a password for a token."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from straingauge.scaffold.document import Document, Part, as_dict
from straingauge.scaffold.operation import PARAMETER, Operation
from straingauge.scaffold.schema import flattened
from straingauge.scaffold.values import Source, blanks

_NAMED: Final = re.compile(
    r"log_?in|sign_?in|tokens?|auth|authenticate|authentication|authorize|sessions?|jwt|access"
)
_OTHER: Final = re.compile(r"refresh|verify|regist|sign_?up|reset|forgot|change|revoke|log_?out")
_USER: Final = re.compile(r"user_?(name|id)?|e_?mail|login|identifier|account|phone", re.IGNORECASE)
_PASSWORD: Final = re.compile(r"pass(word|wd|phrase)?|pwd", re.IGNORECASE)
_TOKENS: Final[Sequence[str]] = (
    *("access_token", "accessToken", "token", "access", "jwt", "auth_token", "authToken"),
    *("id_token", "idToken", "key", "bearer"),
)


@dataclass(frozen=True, slots=True)
class LogInOperation:
    """An operation that returns a token.

    Attributes:
        operation: The operation.
        body: Option and value of its request; None if it takes the password as HTTP Basic.
        token: Keys that lead to the token in its response.
    """

    operation: Operation
    body: tuple[str, Any] | None
    token: Sequence[str]


def find_log_in(
    document: Document, made: Sequence[Operation], basic: Sequence[str]
) -> LogInOperation | None:
    """The operation that logs a user in; None if the document has none that is plain.

    Args:
        document: The document.
        made: All operations.
        basic: Names of the schemes that are HTTP Basic.
    """
    for operation in made:
        if operation.method not in ("post", "get") or PARAMETER.search(operation.path):
            continue
        if operation.problem or not _is_named(operation):
            continue
        token = _token(document, operation.success.schema)
        if not token:
            continue
        if any(name in basic for each in operation.security for name in each):
            if operation.body is None or not blanks(operation.body[1]):
                return LogInOperation(operation, None, token)
            continue
        body = operation.body
        if operation.needs_log_in or body is None or body[0] not in ("json", "form"):
            continue
        value, found = _filled(body[1])
        if found >= {"username", "password"} and not blanks(value):
            return LogInOperation(operation, (body[0], value), token)
    return None


def _is_named(operation: Operation) -> bool:
    words = [*operation.path.lower().replace("-", "_").split("/"), *_words(operation.operation_id)]
    text = "/".join(words)
    return any(_NAMED.fullmatch(word) for word in words) and not _OTHER.search(text)


def _words(name: str) -> Iterator[str]:
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
    yield spaced
    yield from re.split(r"[^a-z0-9]+", spaced)


def _filled(value: Any) -> tuple[Any, set[str]]:  # noqa: ANN401  any JSON
    """A body with the account's name and password in place of made-up ones, and which it has."""
    if not isinstance(value, dict):
        return value, set()
    filled: dict[str, Any] = {}
    known: set[str] = set()
    for name, item in value.items():
        if isinstance(item, dict):
            filled[name], inside = _filled(item)
            known |= inside
        elif _PASSWORD.fullmatch(name):
            filled[name], known = Source('user.data["password"]'), known | {"password"}
        elif _USER.fullmatch(name):
            filled[name], known = Source('user.data["username"]'), known | {"username"}
        else:
            filled[name] = item
    return filled, known


def _token(document: Document, schema: Part, depth: int = 0) -> tuple[str, ...]:
    """Keys that lead to the token in a response; empty if there is none."""
    properties = as_dict(flattened(schema, document).get("properties"))
    name = next((name for name in _TOKENS if name in properties), None)
    if name is not None:
        inside = _token(document, properties[name], depth + 1) if depth < 2 else ()
        return (name, *inside)
    for outer, part in properties.items() if depth < 2 else ():
        inside = _token(document, part, depth + 1)
        if inside:
            return (outer, *inside)
    return ()
