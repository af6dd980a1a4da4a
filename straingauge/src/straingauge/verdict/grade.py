"""Grades, and the threshold of one metric."""

import math
from dataclasses import dataclass
from typing import Final, get_args

from straingauge.result.format.result import Grade, RunGrade, ThresholdDict

GRADES: tuple[Grade, ...] = get_args(Grade)  # from best to worst

_FAILING: frozenset[RunGrade] = frozenset({"critical", "no_data", "invalid"})


def worst(grades: list[Grade]) -> Grade:
    """Return the worst grade; "target" if there is none."""
    return max(grades, key=GRADES.index, default="target")


def fails(grade: RunGrade) -> bool:
    """Return True if a run of this grade fails; one that is invalid or without data does."""
    return grade in _FAILING


DEFAULT_WINDOW_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class AbortRule:
    """When a critical value ends the run.

    Attributes:
        window_s: The value counts over the requests and samples of this long, up to now.
        after_s: Nothing is aborted earlier than this after the start of the load.
    """

    window_s: float = DEFAULT_WINDOW_S
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Threshold:
    """The limits of one metric, in its unit.

    Lower is better: ``target <= warning <= critical``; a value from `critical` on is critical.
    Higher is better: ``target >= warning >= critical``; a value below `critical` is critical.
    With `abort`, a critical value ends the run.
    """

    target: float
    warning: float
    critical: float
    higher_is_better: bool
    abort: AbortRule | None = None

    def as_dict(self) -> ThresholdDict:
        """Return the threshold as the result file has it."""
        return {
            "target": self.target,
            "warning": self.warning,
            "critical": self.critical,
            "higher_is_better": self.higher_is_better,
        }

    @property
    def in_order(self) -> bool:
        """The three limits are in the order of their direction."""
        ladder = (self.target, self.warning, self.critical)
        return list(ladder) == sorted(ladder, reverse=self.higher_is_better)

    def grade(self, value: float | None) -> Grade:
        """Return the grade of a value; None and NaN are "no_data"."""
        if value is None or math.isnan(value):
            return "no_data"
        if self.higher_is_better:
            return self._grade_higher(value)
        if value <= self.target:
            return "target"
        if value < self.warning:
            return "acceptable"
        return "warning" if value < self.critical else "critical"

    def _grade_higher(self, value: float) -> Grade:
        if value >= self.target:
            return "target"
        if value > self.warning:
            return "acceptable"
        return "warning" if value >= self.critical else "critical"
