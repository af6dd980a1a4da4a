"""The traces of a result, as evidence of causes."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from straingauge.diagnosis.result_view import ResultView, number
from straingauge.traces.conventions import without_values

_PLACE: Final = re.compile(r"\$\d+(::[\w ]*\w)?|%s|(?<!:):[A-Za-z_]\w*")
_PART_WORDS: Final[Mapping[str, str]] = {
    "own_ms": "its own code, or waits that have no span",
    "database_ms": "statements of the database",
    "http_ms": "calls to other services",
    "cache_ms": "calls to a cache",
    "other_ms": "other calls, such as those to a message queue",
    "queue_ms": "the wait before the service's first span",
    "unaccounted_ms": "reading the request and sending the response",
}


class Part(NamedTuple):
    """The part of an endpoint's time that is largest.

    Attributes:
        name: Its name in the result, such as "database_ms".
        words: The same in words.
        share: Its share of the time, 0 to 1.
        traces: Number of traces.
    """

    name: str
    words: str
    share: float
    traces: int


def statements(result: ResultView) -> list[Mapping[str, Any]]:
    """Return the traced statements, those that take most time first."""
    return result.rows("traces", "statements")


def calls(result: ResultView) -> list[Mapping[str, Any]]:
    """Return the traced calls to other services, those that take most time first."""
    return result.rows("traces", "calls")


def of_statement(result: ResultView, text: object) -> list[Mapping[str, Any]]:
    """Return the traced statements that are the same as one of `pg_stat_statements`."""
    key = statement_key(str(text))
    return [row for row in statements(result) if statement_key(str(row.get("statement"))) == key]


def endpoint_of(result: ResultView, text: object) -> str | None:
    """Return the only traced endpoint that runs a statement; None if there are more or none."""
    names = {str(row.get("endpoint")) for row in of_statement(result, text)}
    return names.pop() if len(names) == 1 else None


def statement_key(text: str) -> str:
    """Return a text by which statements of spans and of `pg_stat_statements` are compared."""
    return without_values(_PLACE.sub("?", text)).rstrip("; ").casefold()


def largest_part(result: ResultView, endpoint: str) -> Part | None:
    """Return the largest part of a traced endpoint's time; None if it was not traced."""
    parts = result.table("traces", "endpoints", endpoint, "parts_ms")
    times = dict(_known_parts(parts))
    whole_ms = sum(times.values())
    if not whole_ms:
        return None
    name = max(times, key=lambda part: times[part])
    traces = int(result.figure("traces", "endpoints", endpoint, "traces"))
    return Part(name, _PART_WORDS[name], times[name] / whole_ms, traces)


def _known_parts(parts: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name in _PART_WORDS:
        if (time_ms := number(parts, name)) is not None:
            yield name, time_ms
