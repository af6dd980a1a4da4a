"""The judgement of one trial: what was answered, what is in the results, what is said."""

import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

READABLE, COUNTED, SAID, ORPHANS, ENDED = "readable", "counted", "said", "orphans", "ended"
GOALS: Final = (READABLE, COUNTED, SAID, ORPHANS, ENDED)
LAST_INTERVAL_S: Final = 10.0
"""At most this much before a kill -9 of the process that writes the results may be lost."""
SAYS_LOSS: Final = frozenset(
    {"interrupted", "lost_worker", "generator_late", "generator_saturated", "dropped_work"}
)
"""The reasons that a result gives for a load that is not whole."""


@dataclass
class Trial:
    """One disturbance, and what was found after it.

    Attributes:
        name: Name of the disturbance.
        answered_ns: Instants at which the service answered.
        struck_ns: Instant of the disturbance.
        results: The results that could be read.
        parts: Results of Locust workers whose master was lost: what they have is in its result
            as well, up to their last report.
        unreadable: Why files could not be read.
        output: Terminal of the program, and of `straingauge report` on its results.
        orphans: Command lines of processes that were left.
        ended_s: Time from the disturbance to the end of the program; None if it hung.
        problem: Why the trial could not be run.
    """

    name: str
    answered_ns: list[int] = field(default_factory=list)
    struck_ns: int = 0
    results: list[dict[str, Any]] = field(default_factory=list)
    parts: list[dict[str, Any]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    output: str = ""
    orphans: list[str] = field(default_factory=list)
    ended_s: float | None = None
    problem: str = ""

    @property
    def answered(self) -> int:
        """The requests that the service answered."""
        return len(self.answered_ns)

    @property
    def counted(self) -> int:
        """The responses in the results."""
        return max(sum(map(responses, self.results)), sum(map(responses, self.parts)))

    @property
    def estimated(self) -> int:
        """The requests that the results say are lost."""
        return sum(said_lost(reason) for result in self.results for reason in reasons(result))

    @property
    def missing(self) -> int:
        """The requests that are neither counted nor said to be lost."""
        return max(self.answered - self.counted - self.estimated, 0)


@dataclass(frozen=True)
class Expectation:
    """The conditions after a disturbance.

    Attributes:
        is_all_lost: The process that writes the results was killed: it loses the last interval.
        is_loss: Something is lost, or late, that the results must say.
        in_flight: Requests that may be answered but not counted, because they were on their way.
        is_counted: The program counts all requests that it sends; a search for capacity and a
            comparison do not count those of a warm-up.
        fails: Requests fail, which the results must count.
        says: What the results or the terminal must say, as a regular expression.
    """

    is_all_lost: bool = False
    is_loss: bool = True
    in_flight: int = 20
    is_counted: bool = True
    fails: bool = False
    says: str = ""


def missed_goals(trial: Trial, expected: Expectation) -> list[str]:
    """Return the goals that a trial has missed."""
    found = {
        READABLE: bool(trial.results) and not trial.unreadable,
        COUNTED: not expected.is_counted
        or (
            trial.missing <= allowed(trial, expected)
            and trial.counted <= trial.answered + expected.in_flight
        ),
        SAID: (not expected.is_loss or is_said(trial)) and is_explained(trial, expected),
        ORPHANS: not trial.orphans,
        ENDED: trial.ended_s is not None,
    }
    return [goal for goal in GOALS if not found[goal]]


def allowed(trial: Trial, expected: Expectation) -> int:
    """Return how many answered requests may be missing."""
    if not expected.is_all_lost:
        return expected.in_flight
    since_ns = trial.struck_ns - int(LAST_INTERVAL_S * 1e9)
    return trial.answered - bisect_left(trial.answered_ns, since_ns) + expected.in_flight


def is_said(trial: Trial) -> bool:
    """Return whether each result gives a reason for its loss, with a number, on the terminal."""
    shown = _words(trial.output)
    found = [
        any(
            reason["reason"] in SAYS_LOSS
            and re.search(r"\d", reason["message"])
            and _words(reason["message"])[:40] in shown
            for reason in reasons(result)
        )
        for result in trial.results
    ]
    return bool(found) and all(found)


def is_explained(trial: Trial, expected: Expectation) -> bool:
    """Return whether failed requests are counted, and what is expected is said."""
    has_failures = any(result["errors"]["kinds"] for result in trial.results)
    texts = (trial.output, json.dumps(trial.results))
    is_there = not expected.says or any(re.search(expected.says, text) for text in texts)
    return is_there and (has_failures or not expected.fails)


def responses(result: dict[str, Any]) -> int:
    """Return the number of responses in a result."""
    return sum(int(number) for number in result["status_codes"].values())


def reasons(result: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """Return the reasons about the validity of a result."""
    found: Sequence[dict[str, Any]] = result["validity"]["reasons"]
    return found


def said_lost(reason: dict[str, Any]) -> int:
    """Return the number of lost samples that a reason gives."""
    match = re.search(r"an estimated ([\d,]+) samples?", reason["message"])
    return int(match[1].replace(",", "")) if match else 0


def _words(text: str) -> str:
    """Return text as it is, however lines are broken."""
    return re.sub(r"[\s│|]+", "", text)
