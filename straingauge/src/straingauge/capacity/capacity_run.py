"""A search for capacity: levels are run until the highest one that passes is known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from straingauge.capacity.level import Level, knee
from straingauge.capacity.level_search import LevelSearch, Phase
from straingauge.capacity.usl import UslFit, fit
from straingauge.errors import StraingaugeError, TargetError

RunLevel: TypeAlias = Callable[[float, Phase], tuple[Level, Mapping[str, Any]]]
"""Run a level; returns it and its whole result. Raises TargetError, InvalidRun."""

MAX_REPEATS: Final = 2
"""Number of times an inconclusive level is run again: a machine is busy for a moment."""


@dataclass(slots=True)
class CapacityRun:
    """Levels so far; kept however the search ends.

    Attributes:
        search: The choice of levels.
        levels: All levels, in the order in which they ran.
        ended: Why the search stopped early; None if it did not.
        error: The error that stopped it, to be raised once everything is written.
        limit_result: Result of the lowest level that failed.
    """

    search: LevelSearch
    levels: list[Level] = field(default_factory=list)
    ended: str | None = None
    error: StraingaugeError | None = None
    limit_result: Mapping[str, Any] | None = None
    _limit_level: float = float("inf")

    @property
    def capacity(self) -> float | None:
        """The highest level that passed, confirmed; None if there is none, or it is unknown."""
        return None if self.ended else self.search.capacity

    @property
    def knee(self) -> Level | None:
        """The level above which more load mostly adds latency."""
        return knee(self._conclusive)

    @property
    def usl(self) -> UslFit | None:
        """The Universal Scalability Law, fitted to the levels."""
        return fit([(each.concurrency, each.throughput_rps) for each in self._conclusive])

    @property
    def _conclusive(self) -> list[Level]:
        return [each for each in self.levels if each.inconclusive is None]

    def run(
        self,
        run_level: RunLevel,
        on_level: Callable[[Level], None] = lambda _level: None,
        on_begin: Callable[[float], None] = lambda _level: None,
    ) -> None:
        """Run one level after the other; whatever ends the search, the levels are kept.

        Args:
            run_level: Runs a level.
            on_level: Called with each level that has ended.
            on_begin: Called with the load of each level that begins.

        A level at which the load generator could not keep up says nothing about the service. It is
        repeated, and the search stops when the repetitions are inconclusive as well.
        """
        repeats = 0
        try:
            while (wanted := self.search.next()) is not None:
                on_begin(wanted[0])
                level, result = run_level(*wanted)
                self.levels.append(level)
                on_level(level)
                if level.inconclusive is not None and level.passed:
                    if repeats == MAX_REPEATS:
                        self.ended = f"at {level.level:g}: {level.inconclusive}"
                        return
                    repeats += 1
                    continue
                repeats = 0
                self.search.record(level.level, passed=level.passed)
                if not level.passed and level.level <= self._limit_level:
                    self._limit_level, self.limit_result = level.level, result
        except TargetError as error:
            self.ended, self.error = str(error), error
        except KeyboardInterrupt:
            self.ended = "interrupted"
