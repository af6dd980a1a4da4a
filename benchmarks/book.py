"""What was measured, its medians, and how it stands to what is required."""

import statistics
from dataclasses import dataclass, field
from typing import Any

from cases import Case, Limit, Ratio
from sample import Figures

OK, SHORT, NO_FIGURE, LEFT_OUT, NOT_REQUIRED = "ok", "short", "no figure", "left out", ""


@dataclass
class Page:
    """The figures of one case.

    Attributes:
        rounds: By generator, the figures of each round.
        failed: By generator, why it has no figure.
        missing: By generator, why it is not here at all.
    """

    case: Case
    rounds: dict[str, list[Figures]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def fail(self, name: str, why: str) -> None:
        """A generator that went wrong once has no figure."""
        self.rounds.pop(name, None)
        self.failed[name] = why

    def median(self, name: str, figure: str) -> float | None:
        """The median of a figure over the rounds; None where there is none."""
        values = [each[figure] for each in self.rounds.get(name, ()) if figure in each]
        return statistics.median(values) if values else None

    def value(self, required: Ratio | Limit) -> float | None:
        """The figure, or the median over the rounds of the ratio within each."""
        if isinstance(required, Limit):
            return self.median(self.case.ours, required.figure)
        ours, theirs = self.rounds.get(self.case.ours), self.rounds.get(required.peer)
        if not ours or not theirs:
            return None
        pairs = zip(ours, theirs, strict=True)
        return statistics.median(mine["rate_rps"] / peer["rate_rps"] for mine, peer in pairs)

    def verdict(self, required: Ratio | Limit) -> str:
        """How that stands to what is required."""
        value = self.value(required)
        if isinstance(required, Ratio):
            if required.peer in self.missing:
                return LEFT_OUT
            at_least, at_most = required.at_least, None
        else:
            at_least, at_most = required.at_least, required.at_most
        if value is None:
            return NO_FIGURE
        if at_least is None and at_most is None:
            return NOT_REQUIRED
        low = at_least is not None and value < at_least
        high = at_most is not None and value > at_most
        return SHORT if low or high else OK

    @property
    def good(self) -> bool:
        """Whether every generator that is here has a figure, and each figure is as required."""
        verdicts = {self.verdict(each) for each in self.case.required}
        return not self.failed and not verdicts & {SHORT, NO_FIGURE}

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "title": self.case.title,
            "generators": {
                name: {
                    "median": {
                        figure: _rounded(statistics.median(each[figure] for each in rounds))
                        for figure in rounds[0]
                    },
                    "rounds": [
                        {figure: _rounded(value) for figure, value in each.items()}
                        for each in rounds
                    ],
                }
                for name, rounds in self.rounds.items()
            },
            "failed": self.failed,
            "left_out": self.missing,
            "required": [self._required_json(each) for each in self.case.required],
        }

    def _required_json(self, required: Ratio | Limit) -> dict[str, Any]:
        value = self.value(required)
        if isinstance(required, Ratio):
            what, at_most = f"times {required.peer}", None
        else:
            what, at_most = required.what, required.at_most
        return {
            "what": what,
            "value": None if value is None else _rounded(value),
            "at_least": required.at_least,
            "at_most": at_most,
            "verdict": self.verdict(required),
        }


def _rounded(value: float) -> float:
    """To four digits, and whole numbers from 1000 on."""
    return round(value) if abs(value) >= 1000 else float(f"{value:.4g}")
