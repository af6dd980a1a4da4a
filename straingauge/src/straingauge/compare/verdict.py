"""What a difference amounts to, and when it fails a command.

A difference is judged by its whole interval against a margin that nobody would mind ("region of
practical equivalence": Kruschke, Advances in Methods and Practices in Psychological Science 1
(2018) 270; for `same` it is the two one-sided tests of Schuirmann 1987):

    worse        the interval lies beyond the margin on the bad side
    better       it lies beyond it on the good side
    same         it lies within the margin
    inconclusive  anything else: more data would say
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

from straingauge.errors import UsageError

Verdict = Literal["better", "worse", "same", "inconclusive"]

_FAILURE: Final = re.compile(r"(worse)(?::(\d+(?:\.\d*)?|\.\d+)\s*%)?|(cannot[ -]tell)")


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
    """One figure, before and after.

    Attributes:
        endpoint: Of which; empty: of the whole run.
        metric: Its name, with its unit.
        old, new: What was measured; None: it was not.
        change: From old to new, in `unit`.
        low, high: The interval in which the change lies, or None where there is none.
        unit: "%" of the old value, or "points" for what is a percentage itself.
        margin: What nobody would mind, in `unit`.
        same_margin: The margin of *same*, where it is another than that of *worse*.
        higher_is_better: The metric's direction.
        reason: Why there is no interval, or what to know of it.
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
        """What it amounts to."""
        return self.beyond(self.margin)

    def beyond(self, margin: float) -> Verdict:
        """What it would amount to by another margin."""
        return verdict_of(
            self.low,
            self.high,
            margin,
            same_margin=self.same_margin,
            higher_is_better=self.higher_is_better,
        )


@dataclass(frozen=True, slots=True)
class FailOn:
    """When a comparison fails a command.

    ``worse`` fails on each figure that is worse; ``worse:5%`` on each that is surely worse by more
    than 5 %, and on each error rate that is worse, which is counted in points; ``cannot-tell`` on
    each that nothing can be told of.
    """

    verdict: Verdict
    percent: float | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one condition; raises UsageError where it means nothing."""
        found = _FAILURE.fullmatch(text.strip())
        if found is None:
            raise UsageError(
                f"--fail-on {text!r} means nothing: it is a verdict, and a percentage if need be",
                hint="--fail-on worse, --fail-on worse:5%, or --fail-on cannot-tell",
            )
        if found[3]:
            return cls("inconclusive")
        return cls("worse", None if found[2] is None else float(found[2]))

    def failed(self, changes: Sequence[Change]) -> list[Change]:
        """Those that fail."""
        return [change for change in changes if self._fails(change)]

    def _fails(self, change: Change) -> bool:
        if self.percent is None or change.unit == "points":
            return change.verdict == self.verdict
        return change.beyond(self.percent) == self.verdict
