"""The search carried out: level after level until the greatest that holds is known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from straingauge.capacity.level import Level, knee
from straingauge.capacity.level_search import LevelSearch, Phase
from straingauge.capacity.usl import UslFit, fit
from straingauge.errors import StraingaugeError, TargetError

Probe: TypeAlias = Callable[[float, Phase], tuple[Level, Mapping[str, Any]]]
"""Plays a level; gives what it showed, and its whole result. Raises TargetError, InvalidRun."""


@dataclass(slots=True)
class CapacityRun:
    """What was found so far; kept however it ends.

    Attributes:
        search: Where it stands.
        levels: All that were played, in their order.
        ended: Why it did not come to its end; None where it did.
        error: The same, to be raised once all is kept.
        broke: The result of the least level that did not hold: what gave first, and why.
    """

    search: LevelSearch
    levels: list[Level] = field(default_factory=list)
    ended: str | None = None
    error: StraingaugeError | None = None
    broke: Mapping[str, Any] | None = None
    _broke_at: float = float("inf")

    @property
    def capacity(self) -> float | None:
        """The greatest level that held, confirmed; None: there is none, or it is not known yet."""
        return None if self.ended else self.search.capacity

    @property
    def knee(self) -> Level | None:
        """Where more load begins to buy nothing but delay."""
        return knee(self._proven)

    @property
    def law(self) -> UslFit | None:
        """The Universal Scalability Law of what was measured."""
        return fit([(each.concurrency, each.throughput_rps) for each in self._proven])

    @property
    def _proven(self) -> list[Level]:
        return [each for each in self.levels if each.inconclusive is None]

    def run(self, probe: Probe, show: Callable[[Level], None] = lambda _level: None) -> None:
        """Play level after level; whatever ends it, what was found is kept.

        A level that the generator itself could not keep up with says nothing of the service: the
        search ends there.
        """
        try:
            while (wanted := self.search.next()) is not None:
                level, result = probe(*wanted)
                self.levels.append(level)
                show(level)
                if level.inconclusive is not None and level.passed:
                    self.ended = f"at {level.level:g}: {level.inconclusive}"
                    return
                self.search.tell(level.level, holds=level.passed)
                if not level.passed and level.level <= self._broke_at:
                    self._broke_at, self.broke = level.level, result
        except TargetError as error:
            self.ended, self.error = str(error), error
        except KeyboardInterrupt:
            self.ended = "interrupted"
