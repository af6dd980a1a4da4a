"""Intervals of ratios, from the ratio within each of several rounds.

From five rounds on, the interval is that of the signed-rank test on the log ratios
(`straingauge.compare.paired`, with its sources): it needs no normal distribution, and one round in
which the machine was busy hardly moves it. Fewer rounds cannot reject anything in that test; the
interval of three or four is Student's, mean +- t s / sqrt(n) of the log ratios (NIST/SEMATECH
e-Handbook of Statistical Methods, 1.3.5.2). Both cover 90 %, so the true ratio is below the lower
end in 1 of 20 cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt

import numpy as np
from straingauge.compare.paired import paired

ALPHA = 0.1
STUDENT_T = {3: 2.920, 4: 2.353}
"""95th percentile of Student's t by rounds, with one degree of freedom less; 1.3.6.7.2 there."""


@dataclass(frozen=True)
class Interval:
    """A ratio.

    Attributes:
        middle: Its estimate.
        low, high: Its 90 % interval; None for fewer than three rounds.
        rounds: Number of rounds.
    """

    middle: float
    low: float | None
    high: float | None
    rounds: int

    def is_within(self, tolerance: float) -> bool:
        """Check that there is an interval, and that both its ends are near the estimate."""
        if self.low is None or self.high is None:
            return False
        least, most = self.middle * (1 - tolerance), self.middle * (1 + tolerance)
        return self.low >= least and self.high <= most

    def __str__(self) -> str:
        """Format as `7.03 (6.82-7.31)`."""
        if self.low is None or self.high is None:
            return f"{self.middle:.3g}"
        return f"{self.middle:.3g} ({self.low:.3g}-{self.high:.3g})"


def interval(ratios: Sequence[float]) -> Interval:
    """Estimate a ratio from at least one positive ratio, one of each round."""
    logs = np.log(ratios)
    n = logs.size
    if n in STUDENT_T:
        mean, half = float(logs.mean()), STUDENT_T[n] * float(logs.std(ddof=1)) / sqrt(n)
        return Interval(exp(mean), exp(mean - half), exp(mean + half), n)
    found = paired(logs, ALPHA)
    low, high = (None if end is None else 1 + end / 100 for end in (found.low, found.high))
    return Interval(1 + found.change / 100, low, high, n)
