"""Decide the verdict on a change with the interval [low, high], in the unit of the margin.

Without an interval it is inconclusive. `same_margin` is the margin of *same*, if different.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

from straingauge.errors import UsageError

Verdict = Literal["better", "worse", "same", "inconclusive"]

_FAILURE: Final = re.compile(r"(worse)(?::(\d+(?:\.\d*)?|\.\d+)\s*%)?|(inconclusive)")


def verdict_of(
    low: float | None,
    high: float | None,
    margin: float,
    *,
    same_margin: float | None = None,
    higher_is_better: bool = False,
) -> Verdict:
    """The verdict on a change whose interval is [low, high], in the unit of the margin.

    Without an interval it is inconclusive. `same_margin` is the margin of *same*, if it differs.
    """
    if low is None or high is None:
        return "inconclusive"
    if low > margin or high < -margin:
        return "better" if (low > margin) == higher_is_better else "worse"
    same_margin = margin if same_margin is None else same_margin
    return "same" if -same_margin <= low and high <= same_margin else "inconclusive"


@dataclass(frozen=True, slots=True)
class Change:
    """The change of a metric.

    Attributes:
        endpoint: Name of the endpoint; empty for the whole run.
        metric: Its name, with its unit.
        old, new: The values; None if it was not measured.
        change: Difference from old to new, in `unit`.
        low, high: Confidence interval of the change; None if there is none.
        unit: "%" of the old value, or "points" for a metric that is a percentage.
        margin: Smallest change that counts, in `unit`.
        same_margin: Margin of *same*, if different.
        higher_is_better: Direction of the metric.
        reason: Why there is no interval.
    """

    endpoint: str
    metric: str
    old: float | None
    new: float | None
    change: float | None
    low: float | None
    high: float | None
    unit: Literal["%", "points"]
    margin: float
    same_margin: float | None = None
    higher_is_better: bool = False
    reason: str | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict on it."""
        return self.beyond(self.margin)

    def beyond(self, margin: float) -> Verdict:
        """The verdict by another margin."""
        return verdict_of(
            self.low,
            self.high,
            margin,
            same_margin=self.same_margin,
            higher_is_better=self.higher_is_better,
        )


@dataclass(frozen=True, slots=True)
class FailOn:
    """A condition on which a comparison fails a command.

    ``worse`` fails on each metric that is worse; ``worse:5%`` on each that is worse by more than 5
    %, and on each error rate that is worse, which is measured in points; ``inconclusive`` on each
    that is inconclusive.
    """

    verdict: Verdict
    percent: float | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a condition; raises UsageError if it is not one."""
        found = _FAILURE.fullmatch(text.strip())
        if found is None:
            raise UsageError(
                f"--fail-on {text!r} is not a condition",
                hint="--fail-on worse, --fail-on worse:5%, or --fail-on inconclusive",
            )
        if found[3]:
            return cls("inconclusive")
        return cls("worse", None if found[2] is None else float(found[2]))

    def failed(self, changes: Sequence[Change]) -> list[Change]:
        """The changes that fail."""
        return [change for change in changes if self._fails(change)]

    def _fails(self, change: Change) -> bool:
        if self.percent is None or change.unit == "points":
            return change.verdict == self.verdict
        return change.beyond(self.percent) == self.verdict
