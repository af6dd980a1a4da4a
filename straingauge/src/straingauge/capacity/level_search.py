"""The next load to try: pure, tested with simulated services.

The load grows by the factor `step` until a level fails or the maximum is reached. A bisection
follows, until the highest level that passed and the lowest that failed are within `precision`. Then
the former is confirmed. A level that fails once counts as failed, and the search continues below
it.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

Phase = Literal["step", "bisection", "confirmation"]

_LOWEST_SHARE: Final = 1 / 64  # of the first level: lower levels are not tried


@dataclass(slots=True)
class LevelSearch:
    """A search for the highest level that passes.

    Attributes:
        first: The first level, above 0.
        maximum: The highest level.
        precision: Largest distance of the capacity to the limit, as a share of it.
        confirmations: Number of times the capacity is run again.
        step: Factor from one level to the next, on the way up.
        whole: Whether levels are whole numbers.
        passed: Levels that passed each time so far.
        failed: The lowest level that failed.
        confirmed: Number of times the highest level in `passed` was confirmed.
    """

    first: float
    maximum: float
    precision: float = 0.05
    confirmations: int = 2
    step: float = 2.0
    whole: bool = False
    passed: list[float] = field(default_factory=list)
    failed: float | None = None
    confirmed: int = 0

    @property
    def best(self) -> float | None:
        """The highest level that passed so far."""
        return max(self.passed, default=None)

    @property
    def over(self) -> bool:
        """True if there is nothing left to try."""
        return self.next() is None

    @property
    def capacity(self) -> float | None:
        """The highest level that passed, confirmed; None if there is none, or it is unknown."""
        return self.best if self.over else None

    @property
    def at_least(self) -> bool:
        """True if the maximum passed: the capacity may be higher."""
        return self.failed is None and self.best == self._rounded(self.maximum)

    def next(self) -> tuple[float, Phase] | None:
        """The next level and its phase; None at the end of the search."""
        best, failed = self.best, self.failed
        if best is None:
            return self._downwards()
        if failed is None:
            level = self._rounded(min(best * self.step, self.maximum))
            if level > best:
                return level, "step"
        else:
            level = self._rounded((best + failed) / 2)
            if failed - best > self.precision * failed and best < level < failed:
                return level, "bisection"
        return (best, "confirmation") if self.confirmed < self.confirmations else None

    def record(self, level: float, *, passed: bool) -> None:
        """Record the outcome of a level."""
        if not passed:
            self.failed = level if self.failed is None else min(level, self.failed)
            self.passed = [each for each in self.passed if each < self.failed]
            self.confirmed = 0
        elif level in self.passed:
            self.confirmed += 1
        else:
            self.passed.append(level)
            self.confirmed = 0

    def _downwards(self) -> tuple[float, Phase] | None:
        """The next lower level if the first one failed, down to a limit."""
        if self.failed is None:
            return self._rounded(min(self.first, self.maximum)), "step"
        level = self._rounded(self.failed / self.step)
        if level >= self.failed or level < self.first * _LOWEST_SHARE:
            return None
        return level, "step"

    def _rounded(self, level: float) -> float:
        """Round to three significant digits, or down to a whole number."""
        return float(max(int(level), 1)) if self.whole else float(f"{level:.3g}")
