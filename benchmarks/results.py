"""The measurements of a case, their medians, and their comparison with the requirements."""

import statistics
from dataclasses import dataclass, field
from typing import Any

from cases import Case, Limit, Ratio
from measurement import Metrics

OK, MISSED, NO_VALUE, SKIPPED, NOT_REQUIRED = "ok", "missed", "no value", "skipped", ""


@dataclass
class CaseResult:
    """The measurements of one case.

    Attributes:
        rounds: By generator, the metrics of each round.
        failed: By generator, why it could not be measured.
        skipped: By generator, why it is not installed.
    """

    case: Case
    rounds: dict[str, list[Metrics]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def fail(self, name: str, reason: str) -> None:
        """Drop a generator: after one failure it has no value."""
        self.rounds.pop(name, None)
        self.failed[name] = reason

    def median(self, name: str, metric: str) -> float | None:
        """Return the median of a metric over the rounds; None without measurements."""
        values = [each[metric] for each in self.rounds.get(name, ()) if metric in each]
        return statistics.median(values) if values else None

    def value(self, requirement: Ratio | Limit) -> float | None:
        """Return the metric, or the median over the rounds of the ratio within each."""
        if isinstance(requirement, Limit):
            return self.median(self.case.ours, requirement.metric)
        ours, peer = self.rounds.get(self.case.ours), self.rounds.get(requirement.peer)
        if not ours or not peer:
            return None
        pairs = zip(ours, peer, strict=True)
        return statistics.median(a["rate_rps"] / b["rate_rps"] for a, b in pairs)

    def verdict(self, requirement: Ratio | Limit) -> str:
        """Compare the value with the requirement."""
        value = self.value(requirement)
        if isinstance(requirement, Ratio):
            if requirement.peer in self.skipped:
                return SKIPPED
            at_least, at_most = requirement.at_least, None
        else:
            at_least, at_most = requirement.at_least, requirement.at_most
        if value is None:
            return NO_VALUE
        if at_least is None and at_most is None:
            return NOT_REQUIRED
        low = at_least is not None and value < at_least
        high = at_most is not None and value > at_most
        return MISSED if low or high else OK

    @property
    def passed(self) -> bool:
        """True if every installed generator was measured and each requirement is met."""
        verdicts = {self.verdict(each) for each in self.case.required}
        return not self.failed and not verdicts & {MISSED, NO_VALUE}

    def to_json(self) -> dict[str, Any]:
        """Return the result as it is written to a file."""
        return {
            "title": self.case.title,
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
            "required": [self._required_json(each) for each in self.case.required],
        }

    def _required_json(self, requirement: Ratio | Limit) -> dict[str, Any]:
        value = self.value(requirement)
        if isinstance(requirement, Ratio):
            what, at_most = f"times {requirement.peer}", None
        else:
            what, at_most = requirement.what, requirement.at_most
        return {
            "what": what,
            "value": None if value is None else _rounded(value),
            "at_least": requirement.at_least,
            "at_most": at_most,
            "verdict": self.verdict(requirement),
        }


def _rounded(value: float) -> float:
    """Round to four digits, and to whole numbers from 1000 on."""
    return round(value) if abs(value) >= 1000 else float(f"{value:.4g}")
