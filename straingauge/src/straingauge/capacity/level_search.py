"""Which load to try next: pure, so that it is tried on services that are only simulated.

Steps upwards, each `step` times the last, until one does not hold or the maximum is reached; then
bisection, until what holds and what does not are within `precision` of each other; then what holds
is played again. If it does not hold every time it counts as one that does not, and the search goes
on below: a level that holds one time in three is no capacity.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

Phase = Literal["step", "bisection", "confirmation"]

_LOWEST_SHARE: Final = 1 / 64  # of the first level: below, the service holds nothing


@dataclass(slots=True)
class LevelSearch:
    """Looks for the greatest level that holds.

    Attributes:
        first: The level to begin with, more than 0.
        maximum: Never beyond.
        precision: How near to the limit it has to come, as a share of it.
        confirmations: How often what holds is played again.
        step: From one level to the next, on the way up.
        whole: Whether levels are whole numbers, as users are.
        held: Levels that held each time so far.
        failed: The least level that did not hold.
        confirmed: How often the greatest of those that held was played again.
    """

    first: float
    maximum: float
    precision: float = 0.05
    confirmations: int = 2
    step: float = 2.0
    whole: bool = False
    held: list[float] = field(default_factory=list)
    failed: float | None = None
    confirmed: int = 0

    @property
    def best(self) -> float | None:
        """The greatest level that held so far."""
        return max(self.held, default=None)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to try."""
        return self.next() is None

    @property
    def capacity(self) -> float | None:
        """The greatest level that held, confirmed; None while it is not known, or is none."""
        return self.best if self.over else None

    @property
    def at_least(self) -> bool:
        """Whether the maximum itself held, so that the capacity may be greater."""
        return self.failed is None and self.best == self._rounded(self.maximum)

    def next(self) -> tuple[float, Phase] | None:
        """The level to try, and what for; None when the search is over."""
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

    def tell(self, level: float, *, holds: bool) -> None:
        """What came of it."""
        if not holds:
            self.failed = level if self.failed is None else min(level, self.failed)
            self.held = [each for each in self.held if each < self.failed]
            self.confirmed = 0
        elif level in self.held:
            self.confirmed += 1
        else:
            self.held.append(level)
            self.confirmed = 0

    def _downwards(self) -> tuple[float, Phase] | None:
        """Where not even the first level held: lower ones, but not for ever."""
        if self.failed is None:
            return self._rounded(min(self.first, self.maximum)), "step"
        level = self._rounded(self.failed / self.step)
        if level >= self.failed or level < self.first * _LOWEST_SHARE:
            return None
        return level, "step"

    def _rounded(self, level: float) -> float:
        """To three figures, or to whole ones: nobody can use more."""
        return float(max(int(level), 1)) if self.whole else float(f"{level:.3g}")
