"""Effects of operations: which ones a load may have on data that it did not create."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from straingauge.scaffold.document import Document, as_dict
from straingauge.scaffold.operation import PARAMETER, Operation, key_of
from straingauge.scaffold.schema import flattened

_ENDS: Final = frozenset(
    ("logout", "logoff", "signout", "signoff", "revoke", "delete", "remove", "purge", "wipe"),
).union(
    ("reset", "shutdown", "restart", "reboot", "unsubscribe", "disconnect", "deactivate"),
    ("disable", "expire", "clear", "flush", "destroy", "terminate", "kill", "cancel", "stop"),
    ("drop", "truncate", "erase", "invalidate", "unregister", "close", "archive"),
)
"""Verbs of operations that end something, by whatever method they are called."""
_SELF: Final = frozenset(("me", "self", "current", "myself", "account", "profile", "whoami"))
"""Path segments that stand for the user itself."""
_JOINED: Final = re.compile(r"\b(log|sign) (out|off)\b")
CHANGES_OTHERS: Final = "it may change data that its journey did not create"


def set_origins(made: Sequence[Operation], document: Document) -> None:
    """Let operations that change an item apply to one that their own journey creates.

    That needs a request that creates an item, confirmed by status 201, and returns its id.
    """
    creating = {
        each.path.rstrip("/"): each
        for each in made
        if creates(each, made) and 201 in each.success.expect and not each.blanks
    }
    for operation in made:
        names = PARAMETER.findall(operation.path)
        if operation.reads or operation.problem or len(names) != 1:
            continue
        collection, found, _ = operation.path.partition(f"/{{{names[0]}}}")
        origin = creating.get(collection.rstrip("/"))
        key = _key(names[0], origin, document) if found and origin is not None else None
        if origin is not None and key is not None:
            operation.origin = origin, key
            operation.rows = None
            operation.in_path.clear()


def _key(name: str, origin: Operation, document: Document) -> str | None:
    """The field of a creating response that has the id."""
    return key_of(name, as_dict(flattened(origin.success.schema, document).get("properties")))


def creates(operation: Operation, made: Iterable[Operation]) -> bool:
    """True if a request adds an item to a collection, and changes nothing else."""
    if operation.method != "post" or operation.problem or PARAMETER.search(operation.path):
        return False
    if _ends(operation) or _SELF & {*operation.path.lower().split("/")}:
        return False
    items = operation.path.rstrip("/") + "/{"
    has_items = any(each.path.startswith(items) for each in made)
    return operation.success.expect == [201] or has_items


def reason_against(operation: Operation, made: Sequence[Operation], *, writes: bool) -> str:
    """Why a request may not be sent unasked; empty if it may."""
    if not operation.reads and not writes:
        return "it changes data (include it with --writes)"
    if operation.origin is not None:
        return ""
    if _ends(operation):
        return "its name says that it ends or removes something"
    if not operation.reads and not creates(operation, made):
        return CHANGES_OTHERS
    return ""


def _ends(operation: Operation) -> bool:
    """True if a path segment or the operation's id has a verb that ends something."""
    return any(_JOINED.sub(r"\1\2", words).split(" ")[0] in _ENDS for words in _names(operation))


def _names(operation: Operation) -> Iterator[str]:
    for name in (*PARAMETER.sub("", operation.path).split("/"), operation.operation_id):
        spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).lower()
        words = re.sub(r"[^a-z0-9]+", " ", spaced).strip()
        yield words
        # "auth_logout", "userDeleteAll": a verb after the name of the resource
        yield from words.split(" ")[1:2]
        yield _JOINED.sub(r"\1\2", words).rpartition(" ")[2]
