"""The endpoint that runs a statement, by the number and the time of its calls and the requests."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import inf
from typing import Final, NamedTuple

from straingauge.diagnosis.result_view import ResultView, number

MIN_REQUESTS: Final = 20
TOLERANCE: Final = 0.02  # of a count: requests at the edges of the load
# Of a request: any count is within it of a multiple of another one by chance in 2 % of all cases.
EXACT: Final = 0.01
MAX_ENDPOINTS: Final = 30  # with more, some sum of counts is near any number of calls
MAX_SHARING: Final = 10  # whose thousand sums are quickly compared
IN_FLIGHT: Final = 0.9  # of a statement's time: the last requests may have no response yet
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


@dataclass(frozen=True, slots=True)
class _Requests:
    """The requests of one endpoint.

    Attributes:
        count: Their number.
        time_ms: Their times together; infinite if unknown.
    """

    count: float
    time_ms: float


def sole_endpoint(result: ResultView, calls: float, total_ms: float = 0.0) -> SoleEndpoint | None:
    """Return the only endpoint with as many requests as a statement has calls, or a whole fraction.

    None if other endpoints together account for the calls as well, so that the statement may be
    theirs; but a count that is equal is more certain than a sum that is near it. Requests that took
    less time than the statement cannot have waited for it, once in each.

    Args:
        result: The result.
        calls: Number of calls of the statement.
        total_ms: Their time together; 0 if unknown.
    """
    endpoints = {name: each for name, each in _requests(result) if each.count}
    if calls < MIN_REQUESTS or len(endpoints) > MAX_ENDPOINTS:
        return None
    least_ms = IN_FLIGHT * total_ms
    possible = {n: each.count for n, each in endpoints.items() if each.time_ms >= least_ms}
    if exact := _with_exact_count(endpoints, possible, calls, least_ms):
        return SoleEndpoint(exact, calls, 1)
    equal = [name for name, count in possible.items() if is_same_count(calls, count)]
    if equal:
        others = [each for name, each in endpoints.items() if name != equal[0]]
        shared = any(is_same_count(calls, each) for each in _sums(others, least_ms))
        alone = len(equal) == 1 and not shared
        return SoleEndpoint(equal[0], possible[equal[0]], 1) if alone else None
    # A request may run several at once, so their time tells nothing.
    known = {n: each.count for n, each in endpoints.items() if each.count >= MIN_REQUESTS}
    whole = [name for name, count in known.items() if _remainder(calls, count) <= EXACT]
    if len(whole) != 1:
        return None
    count, times = known[whole[0]], round(calls / known[whole[0]])
    closest = min((_remainder(calls, each) for each in _sums(endpoints.values())), default=1.0)
    if times == 1 or closest <= _remainder(calls, count):
        return None
    return SoleEndpoint(whole[0], count, times)


def sharing_endpoints(result: ResultView, calls: float) -> tuple[str, ...]:
    """Return the only endpoints whose requests together are as many as the calls of a statement.

    The counts must be equal, since among many sums some are near any number. Empty if several
    groups of endpoints have that sum, or none; and for all endpoints together.
    """
    counts = {
        name: number(each, "total_requests") or 0.0 for name, each in result.endpoints.items()
    }
    if calls < MIN_REQUESTS or len(counts) > MAX_SHARING:
        return ()
    groups = [
        group
        for size in range(1, len(counts))
        for group in combinations(counts, size)
        if sum(counts[name] for name in group) == calls
    ]
    return groups[0] if len(groups) == 1 else ()


def _requests(result: ResultView) -> Iterator[tuple[str, _Requests]]:
    for name, each in result.endpoints.items():
        count = number(each, "total_requests") or 0.0
        mean_ms = number(each, "service_time_ms", "avg")
        yield name, _Requests(count, inf if mean_ms is None else count * mean_ms)


def _with_exact_count(
    endpoints: Mapping[str, _Requests], possible: Mapping[str, float], calls: float, least_ms: float
) -> str | None:
    """Return the endpoint with exactly this count, unless another one or a sum has it, too."""
    names = [name for name, count in possible.items() if count == calls]
    if len(names) != 1:
        return None
    others = [each for name, each in endpoints.items() if name != names[0]]
    return None if calls in set(_sums(others, least_ms)) else names[0]


def _remainder(calls: float, count: float) -> float:
    """Return how far the calls for each request are from a whole number of them."""
    times = calls / count
    return abs(times - round(times)) if round(times) else 1.0


def _sums(endpoints: Collection[_Requests], least_ms: float = 0.0) -> Iterator[float]:
    """Yield the counts of some endpoints together, if their requests took enough time."""
    for size in range(2, MAX_SUM + 1):
        for group in combinations(endpoints, size):
            if sum(each.time_ms for each in group) >= least_ms:
                yield sum(each.count for each in group)
