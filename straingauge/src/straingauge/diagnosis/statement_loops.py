"""Statements that run once for each row of another one's result."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from straingauge.diagnosis.call_counts import (
    MIN_REQUESTS,
    is_same_count,
    sharing_endpoints,
    sole_endpoint,
)
from straingauge.diagnosis.result_view import ResultView, number

MIN_REPEATS = 3.0  # a request needs a statement once or a few times


class Loop(NamedTuple):
    """A statement that is repeated.

    Attributes:
        statement: The statement.
        repeats: Calls for each request of the endpoint, or for each call of the outer statement.
        endpoints: The endpoints that repeat it; empty if they are not certain.
        requests: The number of those requests or calls.
    """

    statement: Mapping[str, Any]
    repeats: float
    endpoints: tuple[str, ...]
    requests: float


def find_loop(result: ResultView, statements: Sequence[Mapping[str, Any]]) -> Loop | None:
    """Return the statement that is repeated most; None if none is.

    Over all requests a loop of a rare endpoint may run about once per request, like a statement
    that every request needs. So its calls must equal the rows that another statement returned, and
    must not equal the requests of one endpoint, of all, or of all but one.
    """
    loops = [loop for each in statements if (loop := _loop(result, each, statements))]
    return max(loops, key=lambda loop: loop.repeats * loop.requests, default=None)


def _loop(
    result: ResultView, inner: Mapping[str, Any], statements: Sequence[Mapping[str, Any]]
) -> Loop | None:
    calls = number(inner, "calls") or 0.0
    per_request = number(inner, "calls_per_request") or 0.0
    counts = {
        name: number(each, "total_requests") or 0.0 for name, each in result.endpoints.items()
    }
    everywhere = per_request >= MIN_REPEATS and result.requests >= MIN_REQUESTS
    once = [*counts.values(), result.requests, *(result.requests - n for n in counts.values())]
    if everywhere or not any(is_same_count(calls, count) for count in once):
        for outer in statements:
            runs = number(outer, "calls") or 0.0
            rows = number(outer, "rows") or 0.0
            if runs < MIN_REQUESTS or calls < MIN_REPEATS * runs or not is_same_count(rows, calls):
                continue
            names = [name for name, count in counts.items() if is_same_count(runs, count)]
            return Loop(inner, calls / runs, tuple(names) if len(names) == 1 else (), runs)
    if not everywhere:
        return None
    sole = sole_endpoint(result, calls)
    if sole is not None and sole.times >= MIN_REPEATS:
        return Loop(inner, sole.times, (sole.name,), sole.requests)
    return _shared_loop(result, inner) or Loop(inner, per_request, (), result.requests)


def _shared_loop(result: ResultView, inner: Mapping[str, Any]) -> Loop | None:
    """Return the loop of several endpoints, if another statement shows which they are.

    A statement that each of their requests runs once, such as one at the start of a transaction,
    has as many calls as they have requests, and the loop a multiple of that. Either alone may be
    chance. None if statements show different endpoints.
    """
    calls = number(inner, "calls") or 0.0
    found = {}
    for once in result.rows("resources", "database", "statements"):
        runs = number(once, "calls") or 0.0
        is_multiple = runs and calls >= MIN_REPEATS * runs and not calls % runs
        if is_multiple and (endpoints := sharing_endpoints(result, runs)):
            found[endpoints] = Loop(inner, calls / runs, endpoints, runs)
    return next(iter(found.values())) if len(found) == 1 else None
