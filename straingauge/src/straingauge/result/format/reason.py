"""A reason why a run is invalid, or a note on its validity."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from straingauge.result.format.result import ReasonDict, ValidityDict


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason why a run is invalid, or a note on its validity."""

    reason: str
    severity: Literal["invalid", "note"]
    message: str
    advice: str = ""

    def as_dict(self) -> ReasonDict:
        """Return the reason as the result file has it."""
        return {
            "reason": self.reason,
            "severity": self.severity,
            "message": self.message,
            "advice": self.advice,
        }


def as_dict(reasons: Sequence[Reason]) -> ValidityDict:
    """Return the `validity` section of a result."""
    return {
        "valid": all(reason.severity != "invalid" for reason in reasons),
        "reasons": [reason.as_dict() for reason in reasons],
    }


def ended_early(why: str) -> Reason:
    """Return the note that a load ended before its schedule did, by intention."""
    return Reason("ended_early", "note", f"the load ended before its schedule did: {why}")
