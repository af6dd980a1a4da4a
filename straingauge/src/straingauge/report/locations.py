"""Places that causes point to, as text."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import shorten
from typing import Any, Final

PLACES: Final = 3  # of a cause, in texts
_LINE: Final = 73  # characters, so that a line with its label fits into 80 columns
_MIN_STATEMENT: Final = 24  # characters of a statement after a long endpoint
_WHOLE: Final = 2_000  # characters of such a line on the page
_LOCKS: Final = {"holds": "holds the lock: ", "waits": "waits for the lock: "}


def place_lines(cause: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each of a cause's first places, and each index that would help."""
    for location in cause.get("where", ())[:PLACES]:
        if text := place(location):
            yield f"Where: {text}"
        if index := location.get("index"):
            yield f"Index: {index}"


def place(location: Mapping[str, Any], *, most: int = _LINE) -> str:
    """Return a place on one line, without its index.

    Args:
        location: An entry of a cause's ``where``.
        most: Characters of a line with a statement.

    Returns:
        Such as "at app/sessions.py:88 in list_sessions"; empty for an unknown kind.
    """
    match location["kind"]:
        case "code":
            text = f"at {code(location)}"
        case "statement":
            text = _statement(location, most)
        case "call":
            waiting = location.get("endpoint")
            text = f"{waiting + ' calls' if waiting else 'call to'} {location['host']}"
        case "process":
            pid, resource = location.get("pid"), location.get("resource")
            text = f"in {location['process']}{f' (pid {pid})' if pid else ''}"
            text += f": {resource}" if resource else ""
        case _:
            text = ""
    return text


def shown_places(cause: Mapping[str, Any]) -> list[dict[str, str | None]]:
    """Return all places of a cause with their statements in full, each with its index."""
    texts = ((place(each, most=_WHOLE), each.get("index")) for each in cause.get("where", ()))
    return [{"text": text, "index": index} for text, index in texts if text or index]


def code(location: Mapping[str, Any]) -> str:
    """Return a line of code, such as "app/sessions.py:88 in list_sessions"."""
    function = location.get("function")
    return f"{location['file']}:{location['line']}{f' in {function}' if function else ''}"


def code_of(cause: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the lines of code that a cause points to."""
    return [each for each in cause.get("where", ()) if each["kind"] == "code"]


def one_line(statement: str) -> str:
    """Return SQL on one line."""
    return " ".join(statement.split())


def _statement(location: Mapping[str, Any], most: int) -> str:
    statement, endpoint = location.get("statement"), location.get("endpoint")
    if statement:
        opening = f"{endpoint or 'statement'}: {_LOCKS.get(location.get('lock') or '', '')}"
        left = max(_MIN_STATEMENT, most - len(opening))
        return opening + shorten(one_line(statement), left, placeholder=" ...")
    table = location.get("table")
    named = f"table {table}" if table else ""
    return ": ".join(filter(None, (endpoint, named)))
