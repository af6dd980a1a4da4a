"""The declaration of a metric."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Topic = Literal["speed", "trend", "errors", "growth"]
"""The kind of failure that a critical value of a metric is."""

Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """The declaration of a metric.

    Attributes:
        title: Its name in reports.
        unit: Its unit in reports.
        description: What it measures, and how.
        path: Where a result keeps it. If `per_endpoint`, the first step is "metrics" for the whole
            run, and one of the endpoints otherwise.
        topic: The kind of failure that a critical value is.
        per_endpoint: It exists for each endpoint as well.
        per_transaction: It exists for each transaction as well.
        higher_is_better: The direction of improvement.
        of_speed: A threshold for it demands something of the service's speed.
        unless_listed: Its value where a result has no entry for it; None if it was not measured.
        in_history: `straingauge history` shows it by default.
        compared_as_value: `straingauge compare` shows it without a confidence interval.
        percent_of: The value is a percentage of the one at this path.
        share: The number of requests it counts, from errors by kind and responses by status;
            its value is their percentage of all requests, and `path` is not used.
        quantile: The quantile of the response time that it is, 0 to 1.
        whole_run: It has a value only for a whole run, not for the last seconds of one.
    """

    title: str
    unit: str
    description: str
    topic: Topic
    path: tuple[str, ...] = ()
    per_endpoint: bool = False
    per_transaction: bool = False
    higher_is_better: bool = False
    of_speed: bool = False
    unless_listed: float | None = None
    in_history: bool = False
    compared_as_value: bool = False
    percent_of: tuple[str, ...] = ()
    share: Callable[[Counts, Counts], int] | None = None
    quantile: float | None = None
    whole_run: bool = False

    @property
    def label(self) -> str:
        """Title and unit."""
        return f"{self.title} {self.unit}".strip()
