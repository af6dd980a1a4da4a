"""The endpoint that runs a statement, by the number of its calls and of the requests."""

from collections.abc import Collection, Iterator
from itertools import combinations
from typing import Final, NamedTuple

from straingauge.diagnosis.result_view import ResultView, number

MIN_REQUESTS: Final = 20
TOLERANCE: Final = 0.02  # of a count: requests at the edges of the load
# Of a request: any count is within it of a multiple of another one by chance in 2 % of all cases.
EXACT: Final = 0.01
MAX_ENDPOINTS: Final = 30  # with more, some sum of counts is near any number of calls
MAX_SUM: Final = 3  # endpoints that may share a statement, such as the look-up of a session


class SoleEndpoint(NamedTuple):
    """The only endpoint whose requests account for the calls of a statement.

    Attributes:
        name: The endpoint.
        requests: Number of its requests.
        times: Calls for each of them.
    """

    name: str
    requests: float
    times: int


def is_same_count(count: float, other: float) -> bool:
    """Return true if two counts are equal but for requests at the edges of the load."""
    return other > 0 and abs(count - other) <= TOLERANCE * other


def sole_endpoint(result: ResultView, calls: float) -> SoleEndpoint | None:
    """Return the only endpoint with as many requests as a statement has calls, or a whole fraction.

    None if other endpoints together account for the calls as well, so that the statement may be
    theirs.
    """
    counts = {
        name: count
        for name, each in result.endpoints.items()
        if (count := number(each, "total_requests") or 0.0)
    }
    if calls < MIN_REQUESTS or len(counts) > MAX_ENDPOINTS:
        return None
    equal = [name for name, count in counts.items() if is_same_count(calls, count)]
    if equal:
        others = [count for name, count in counts.items() if name != equal[0]]
        shared = any(is_same_count(calls, each) for each in _sums(others))
        alone = len(equal) == 1 and not shared
        return SoleEndpoint(equal[0], counts[equal[0]], 1) if alone else None
    known = {name: count for name, count in counts.items() if count >= MIN_REQUESTS}
    whole = [name for name, count in known.items() if _remainder(calls, count) <= EXACT]
    if len(whole) != 1:
        return None
    count = known[whole[0]]
    closest = min((_remainder(calls, each) for each in _sums(counts.values())), default=1.0)
    if closest <= _remainder(calls, count):
        return None
    return SoleEndpoint(whole[0], count, round(calls / count))


def _remainder(calls: float, count: float) -> float:
    """Return how far the calls for each request are from a whole number of them."""
    times = calls / count
    return abs(times - round(times)) if round(times) else 1.0


def _sums(counts: Collection[float]) -> Iterator[float]:
    for size in range(2, MAX_SUM + 1):
        yield from map(sum, combinations(counts, size))
