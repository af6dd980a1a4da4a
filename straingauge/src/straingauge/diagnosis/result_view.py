"""A result as the rules read it: any part may be null or missing."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from straingauge.http.models import TIMEOUTS

FAILING = ("acceptable", "warning", "critical")  # a missed target, and worse
POOL_WORDS = re.compile(
    r"QueuePool limit|connection timeout|pool timeout|TimeoutError", re.IGNORECASE
)


MOST = 0.5  # of all requests


@dataclass(frozen=True)
class ResultView:
    """Null-safe access to a result with its verdict, and the values that several rules share."""

    result: Mapping[str, Any]

    def at(self, *path: str) -> Any:  # noqa: ANN401  whatever the file has there
        """Return the value at a path; None where any step of it is missing."""
        return at(self.result, *path)

    def number(self, *path: str) -> float | None:
        """Return the number at a path; None where there is none."""
        return number(self.result, *path)

    def figure(self, *path: str) -> float:
        """Return the number at a path, or 0 where there is none: for evidence above 0 only."""
        return self.number(*path) or 0.0

    def rows(self, *path: str) -> list[Mapping[str, Any]]:
        """Return the objects of the list at a path."""
        return [row for row in listed(self.result, *path) if isinstance(row, Mapping)]

    def table(self, *path: str) -> Mapping[str, Any]:
        """Return the object at a path; empty where there is none."""
        found = self.at(*path)
        return found if isinstance(found, Mapping) else {}

    @cached_property
    def requests(self) -> float:
        """Number of requests in the main phase."""
        return self.figure("metrics", "total_requests")

    @cached_property
    def duration_s(self) -> float:
        """Duration of the main phase."""
        return self.figure("metrics", "duration_s")

    @cached_property
    def in_flight(self) -> float:
        """Mean number of requests in flight: rate times service time (Little's law)."""
        times_ms = (
            (number(each, "total_requests") or 0.0)
            * (number(each, "service_time_ms", "avg") or 0.0)
            for each in self.endpoints.values()
        )
        return sum(times_ms) / 1000 / self.duration_s if self.duration_s else 0.0

    @cached_property
    def endpoints(self) -> Mapping[str, Mapping[str, Any]]:
        """Endpoints that have statistics, by name."""
        found = self.table("endpoints")
        return {name: each for name, each in found.items() if isinstance(each, Mapping)}

    @cached_property
    def failures(self) -> list[Mapping[str, Any]]:
        """Entries of the verdict that missed their target."""
        entries = self.rows("verdict", "findings")
        return [entry for entry in entries if entry.get("grade") in FAILING]

    def has_unexplained_failures(self, least: str = "acceptable") -> bool:
        """Return whether a threshold was missed, or a test failed that names no cause.

        Args:
            least: The grade from which a failure counts.
        """
        serious = FAILING[FAILING.index(least) :]
        return any(
            entry.get("cause") is None and entry.get("grade") in serious for entry in self.failures
        )

    @cached_property
    def reasons(self) -> Mapping[str, Mapping[str, Any]]:
        """Reasons that limit the run's validity, by name."""
        return {str(each.get("reason")): each for each in self.rows("validity", "reasons")}

    @cached_property
    def errors(self) -> Mapping[str, float]:
        """Number of errors of the main phase, by kind."""
        kinds = self.table("errors", "kinds") or self.table("metrics", "errors", "kinds")
        return {kind: count for kind in kinds if (count := number(kinds, kind))}

    @cached_property
    def fails_mostly(self) -> bool:
        """Most requests fail, so that the times of the others say nothing about the speed.

        Timeouts do not count: a request that times out is slow.
        """
        kinds = {kind: count for kind, count in self.errors.items() if kind not in TIMEOUTS}
        return sum(kinds.values()) > MOST * self.requests

    @cached_property
    def examples(self) -> list[Mapping[str, Any]]:
        """Example errors of the whole run and of each endpoint."""
        return [
            *self.rows("errors", "examples"),
            *(row for name in self.endpoints for row in self._examples_of(name)),
        ]

    def _examples_of(self, endpoint: str) -> list[Mapping[str, Any]]:
        return self.rows("endpoints", endpoint, "errors", "examples")

    def error_matching(self, words: re.Pattern[str]) -> str | None:
        """Return the first error response that matches; our own messages do not count."""
        answers = (each for each in self.examples if each.get("status") is not None)
        details = (str(each.get("detail") or "") for each in answers)
        return next((detail for detail in details if words.search(detail)), None)

    def part_share(self, part: str) -> float | None:
        """Return a part's share of the time of the slowest 1 %, by Server-Timing; else of all."""
        path = ("metrics", "server_timing", "parts", part)
        slowest = self.number(*path, "share_slowest")
        return slowest if slowest is not None else self.number(*path, "share")

    @cached_property
    def slow_ms(self) -> float:
        """Response time of the slow requests: the highest p95 or p99 of any endpoint."""
        highest = (
            number(each, "latency_ms", name) or 0.0
            for each in [self.table("metrics"), *self.endpoints.values()]
            for name in ("p95", "p99")
        )
        return max(highest, default=0.0)

    def samples(self, key: str) -> list[tuple[float, float]]:
        """Return the pairs (t_s, value) of one sampled value."""
        rows = self.rows("resources", "samples")
        pairs = ((number(row, "t_s"), number(row, key)) for row in rows)
        return [(t_s, value) for t_s, value in pairs if t_s is not None and value is not None]

    def request_ids(self, rows: Iterable[Mapping[str, Any]], limit: int = 3) -> tuple[str, ...]:
        """Return the advice to search the log for these requests; empty where no ids were kept."""
        ids = list(dict.fromkeys(str(row["request_id"]) for row in rows if row.get("request_id")))
        if not ids:
            return ()
        return (f"search the service's log for X-Request-ID {', '.join(ids[:limit])}",)

    @cached_property
    def slowest(self) -> list[Mapping[str, Any]]:
        """The slowest requests."""
        return self.rows("metrics", "slowest")


def is_in_waves(result: ResultView) -> bool:
    """Return whether all users start at the same instants, again and again."""
    return bool(result.at("configuration", "schedule", "kind") == "waves")


def at(found: Any, *path: str) -> Any:  # noqa: ANN401
    """Return the value at a path in an object; None where any step of it is missing."""
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def number(found: Mapping[str, Any], *path: str) -> float | None:
    """Return the finite number at a path in an object; None where there is none."""
    value = at(found, *path)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def listed(found: Mapping[str, Any], *path: str) -> Sequence[Any]:
    """Return the list at a path in an object; empty where there is none."""
    value = at(found, *path)
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
