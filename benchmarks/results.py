"""The measurements of a case, their medians, and their comparison with the requirements."""

import statistics
from dataclasses import dataclass, field
from typing import Any

from case import CPU, RATE, Case, Limit, Ratio
from intervals import Interval, interval
from measurement import Metrics

OK, MISSED, NO_VALUE, TOO_FEW = "ok", "missed", "no value", "too few rounds"
SKIPPED, NOT_REQUIRED = "skipped", ""


@dataclass
class CaseResult:
    """The measurements of one case.

    Attributes:
        rounds: By generator, the metrics of each round.
        failed: By generator, why it could not be measured.
        skipped: By generator, why it is not installed.
        is_out_of_time: The time was up before all intervals were narrow.
    """

    case: Case
    rounds: dict[str, list[Metrics]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    is_out_of_time: bool = False

    def fail(self, name: str, reason: str) -> None:
        """Drop a generator: after one failure it has no value."""
        self.rounds.pop(name, None)
        self.failed[name] = reason

    def median(self, name: str, metric: str) -> float | None:
        """Return the median of a metric over the rounds; None without measurements."""
        values = [each[metric] for each in self.rounds.get(name, ()) if metric in each]
        return statistics.median(values) if values else None

    def ratio(self, peer: str, metric: str) -> Interval | None:
        """Return how much better our generator is by a metric: more requests, less CPU time."""
        ours, theirs = self.rounds.get(self.case.ours), self.rounds.get(peer)
        if not ours or not theirs:
            return None
        pairs = [(a[metric], b[metric]) for a, b in zip(ours, theirs, strict=True)]
        return interval([b / a if metric == CPU else a / b for a, b in pairs])

    @property
    def is_settled(self) -> bool:
        """The interval of each ratio is narrow, as far as its peer could be measured."""
        found = [(self.ratio(each.peer, by), each) for each in self.case.ratios for by in each.by]
        return all(ratio is None or ratio.is_within(each.tolerance) for ratio, each in found)

    def verdict(self, requirement: Ratio | Limit) -> str:
        """Compare with the requirement; a ratio by the lower end of its intervals."""
        if isinstance(requirement, Ratio):
            return self._ratio_verdict(requirement, requirement.required)
        value = self.median(self.case.ours, requirement.metric)
        if value is None:
            return NO_VALUE
        low = requirement.at_least is not None and value < requirement.at_least
        high = requirement.at_most is not None and value > requirement.at_most
        return MISSED if low or high else OK

    def goal_verdict(self, ratio: Ratio) -> str:
        """Compare with the goal, by the lower end of the intervals."""
        return self._ratio_verdict(ratio, ratio.goal)

    def _ratio_verdict(self, ratio: Ratio, least: float | None) -> str:
        if ratio.peer in self.skipped:
            return SKIPPED
        found = [self.ratio(ratio.peer, by) for by in ratio.by]
        if None in found:
            return NO_VALUE
        if least is None:
            return NOT_REQUIRED
        lows = [each.low for each in found if each is not None]
        if None in lows:
            return TOO_FEW
        return OK if all(low is not None and low >= least for low in lows) else MISSED

    @property
    def passed(self) -> bool:
        """True if every installed generator was measured and each requirement is met."""
        verdicts = {self.verdict(each) for each in self.case.required}
        return not self.failed and not verdicts & {MISSED, NO_VALUE, TOO_FEW}

    def to_json(self) -> dict[str, Any]:
        """Return the result as it is written to a file."""
        return {
            "title": self.case.title,
            "ours": self.case.ours,
            "unit": self.case.unit,
            "is_out_of_time": self.is_out_of_time,
            "generators": {
                name: {
                    "median": {
                        metric: _rounded(statistics.median(each[metric] for each in rounds))
                        for metric in rounds[0]
                    },
                    "rounds": [
                        {metric: _rounded(value) for metric, value in each.items()}
                        for each in rounds
                    ],
                }
                for name, rounds in self.rounds.items()
            },
            "failed": self.failed,
            "skipped": self.skipped,
            "ratios": [self._ratio_json(each) for each in self.case.ratios],
            "limits": [self._limit_json(each) for each in self.case.limits],
        }

    def _ratio_json(self, ratio: Ratio) -> dict[str, Any]:
        return {
            "peer": ratio.peer,
            **{name: _interval_json(self.ratio(ratio.peer, by)) for name, by in _NAMES.items()},
            "counts_by": [name for name, by in _NAMES.items() if by in ratio.by],
            "required": ratio.required,
            "verdict": self.verdict(ratio),
            "goal": ratio.goal,
            "goal_verdict": self.goal_verdict(ratio),
        }

    def _limit_json(self, limit: Limit) -> dict[str, Any]:
        value = self.median(self.case.ours, limit.metric)
        return {
            "what": limit.what,
            "value": None if value is None else _rounded(value),
            "at_least": limit.at_least,
            "at_most": limit.at_most,
            "verdict": self.verdict(limit),
        }


_NAMES = {"by_rate": RATE, "by_cpu": CPU}


def _interval_json(found: Interval | None) -> dict[str, Any] | None:
    if found is None:
        return None
    ends = {name: end and _rounded(end) for name, end in (("low", found.low), ("high", found.high))}
    return {"ratio": _rounded(found.middle), **ends, "rounds": found.rounds}


def _rounded(value: float) -> float:
    """Round to four digits, and to whole numbers from 1000 on."""
    return round(value) if abs(value) >= 1000 else float(f"{value:.4g}")
