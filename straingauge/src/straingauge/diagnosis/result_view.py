"""A result as the rules see it: any part may be null or missing, in old files and blind runs."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

Topic = Literal["speed", "trend", "errors", "growth", "limits", "data", "generator"]

FAILING = ("warning", "critical")
POOL_WORDS = re.compile(
    r"QueuePool limit|connection timeout|pool timeout|TimeoutError", re.IGNORECASE
)

_TOPICS_OF_METRICS: Sequence[tuple[str, Topic]] = (
    (r"error_rate", "errors"),
    (r"memory", "growth"),
    (r"degradation", "trend"),
    (r"_ms$|throughput|pool|cpu|stall", "speed"),
)


@dataclass(frozen=True)
class ResultView:
    """Null-safe access to a result with its verdict, and what several rules ask of it."""

    result: Mapping[str, Any]

    def at(self, *path: str) -> Any:  # noqa: ANN401  whatever the file has there
        """What stands at a path; None where any step of it is missing."""
        return at(self.result, *path)

    def number(self, *path: str) -> float | None:
        """The figure at a path; None where there is none."""
        return number(self.result, *path)

    def figure(self, *path: str) -> float:
        """The figure at a path; 0 where there is none, for evidence that needs more than 0."""
        return self.number(*path) or 0.0

    def rows(self, *path: str) -> list[Mapping[str, Any]]:
        """The objects of a list at a path."""
        return [row for row in listed(self.result, *path) if isinstance(row, Mapping)]

    def table(self, *path: str) -> Mapping[str, Any]:
        """The object at a path, empty where there is none."""
        found = self.at(*path)
        return found if isinstance(found, Mapping) else {}

    @cached_property
    def requests(self) -> float:
        """Requests of the main phase."""
        return self.figure("metrics", "total_requests")

    @cached_property
    def duration_s(self) -> float:
        """Of the main phase."""
        return self.figure("metrics", "duration_s")

    @cached_property
    def endpoints(self) -> Mapping[str, Mapping[str, Any]]:
        """Endpoints that have figures."""
        found = self.table("endpoints")
        return {name: each for name, each in found.items() if isinstance(each, Mapping)}

    @cached_property
    def complaints(self) -> list[Mapping[str, Any]]:
        """Entries of the verdict that are warning or critical."""
        entries = self.rows("verdict", "entries")
        return [entry for entry in entries if entry.get("grade") in FAILING]

    @cached_property
    def reasons(self) -> Mapping[str, Mapping[str, Any]]:
        """Why the run says less than it should, by name."""
        return {str(each.get("reason")): each for each in self.rows("validity", "reasons")}

    @cached_property
    def errors(self) -> Mapping[str, float]:
        """Errors of the main phase by kind."""
        kinds = self.table("errors", "kinds") or self.table("metrics", "errors", "kinds")
        return {kind: count for kind in kinds if (count := number(kinds, kind))}

    @cached_property
    def examples(self) -> list[Mapping[str, Any]]:
        """Errors in words, of the whole run and of each endpoint."""
        return [
            *self.rows("errors", "examples"),
            *(row for name in self.endpoints for row in self._examples_of(name)),
        ]

    def _examples_of(self, endpoint: str) -> list[Mapping[str, Any]]:
        return self.rows("endpoints", endpoint, "errors", "examples")

    def said(self, words: re.Pattern[str]) -> str | None:
        """The first error whose words match: words of an answer, not ours for having none."""
        answers = (each for each in self.examples if each.get("status") is not None)
        details = (str(each.get("detail") or "") for each in answers)
        return next((detail for detail in details if words.search(detail)), None)

    def part_share(self, part: str) -> float | None:
        """A part's share of the time of the slowest 1 %, by Server-Timing; else of all time."""
        path = ("metrics", "server_timing", "parts", part)
        slowest = self.number(*path, "share_slowest")
        return slowest if slowest is not None else self.number(*path, "share")

    @cached_property
    def slow_ms(self) -> float:
        """How slow the slow requests are: the highest p99 of any endpoint, or else p95."""
        highest = (
            number(each, "latency_ms", name) or 0.0
            for each in [self.table("metrics"), *self.endpoints.values()]
            for name in ("p95", "p99")
        )
        return max(highest, default=0.0)

    def samples(self, key: str) -> list[tuple[float, float]]:
        """(t_s, value) of one sampled figure."""
        rows = self.rows("resources", "samples")
        pairs = ((number(row, "t_s"), number(row, key)) for row in rows)
        return [(t_s, value) for t_s, value in pairs if t_s is not None and value is not None]

    def request_ids(self, rows: Iterable[Mapping[str, Any]], most: int = 3) -> tuple[str, ...]:
        """Advice to search the log for these requests; none where no ids were kept."""
        ids = list(dict.fromkeys(str(row["request_id"]) for row in rows if row.get("request_id")))
        if not ids:
            return ()
        return (f"search the service's log for X-Request-ID {', '.join(ids[:most])}",)

    @cached_property
    def slowest(self) -> list[Mapping[str, Any]]:
        """The slowest requests."""
        return self.rows("metrics", "slowest")


def at(found: Any, *path: str) -> Any:  # noqa: ANN401
    """What stands at a path in an object; None where any step of it is missing."""
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def number(found: Mapping[str, Any], *path: str) -> float | None:
    """The finite figure at a path in an object; None where there is none."""
    value = at(found, *path)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def topic_of_metric(rule: str) -> Topic | None:
    """What a threshold's metric is about; None of a rule that is no metric."""
    found = (topic for pattern, topic in _TOPICS_OF_METRICS if re.search(pattern, rule))
    return next(found, None) if " " not in rule else None


def listed(found: Mapping[str, Any], *path: str) -> Sequence[Any]:
    """The list at a path in an object; empty where there is none."""
    value = at(found, *path)
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
