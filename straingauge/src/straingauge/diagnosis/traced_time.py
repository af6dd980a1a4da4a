"""Division of a slow endpoint's time by its traces."""

from collections.abc import Mapping
from typing import Any, Final

from straingauge.diagnosis import traced
from straingauge.diagnosis.location import CallLocation, Location, StatementLocation
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.number_text import count

MIN_TRACES: Final = 5  # fewer may be the first ones, which open connections
MOST: Final = 0.5  # of the time
# Of the time under load: what the traces lack arises under load only, so they do not explain it.
COMPARABLE: Final = 0.3


def traced_time(result: ResultView, endpoint: str) -> tuple[tuple[str, ...], tuple[Location, ...]]:
    """Return what traces say about a slow endpoint: sentences, and the places where it waits.

    A second instance without load may be fast. Then the traces only show that the load makes it
    slow, and no place.
    """
    part = traced.largest_part(result, endpoint)
    if part is None or part.traces < MIN_TRACES:
        return (), ()
    traced_ms = result.figure("traces", "endpoints", endpoint, "duration_ms")
    loaded_ms = result.figure("endpoints", endpoint, "latency_ms", "p50")
    if traced_ms < COMPARABLE * loaded_ms:
        return (f"{traced_ms:,.0f} ms on average without load: the load makes it slow",), ()
    if part.share < MOST:
        return (), ()
    words = (
        f"{part.share:.0%} of the time of {count(part.traces, 'traced request')} is {part.words}"
    )
    return (words,), _places(result, endpoint, part.name)


def _places(result: ResultView, endpoint: str, part: str) -> tuple[Location, ...]:
    if part == "database_ms":
        row = _first(traced.statements(result), endpoint)
        return (StatementLocation(str(row["statement"]), endpoint),) if row else ()
    if part == "http_ms":
        row = _first(traced.calls(result), endpoint)
        return (CallLocation(str(row["host"]), endpoint),) if row else ()
    return ()


def _first(rows: list[Mapping[str, Any]], endpoint: str) -> Mapping[str, Any] | None:
    """Return the row that takes most of an endpoint's time, if it takes most of it."""
    found = next((row for row in rows if row.get("endpoint") == endpoint), None)
    return found if found and (number(found, "share") or 0.0) >= COMPARABLE else None
