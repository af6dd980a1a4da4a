"""What a diagnosis consists of: causes, each with how sure it is, why, and what to do."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from straingauge.diagnosis.catalogue import ADVICE, TITLES
from straingauge.diagnosis.result_view import ResultView

CauseId = Literal[
    "pool_exhausted",
    "connections_leaked",
    "slow_statement",
    "missing_index",
    "n_plus_one",
    "lock_contention",
    "event_loop_blocked",
    "cpu_bound",
    "memory_leak",
    "file_leak",
    "thread_leak",
    "freeze",
    "endpoint_errors",
    "connection_resets",
    "wrong_content",
    "slow_endpoint",
    "slow_tail",
    "slowing_down",
    "rate_limiter_tight",
    "rate_limiter_absent",
    "rate_limiter_loose",
    "rate_limiter_per_process",
    "rate_limiter_untrue",
    "keep_alive_off",
    "jobs_not_draining",
    "lost_writes",
    "doubled_writes",
    "altered_writes",
    "foreign_data",
    "generator_saturated",
    "noisy_neighbour",
    "database_away",
    "slow_start",
    "service_restarted",
]
CAUSES: tuple[CauseId, ...] = get_args(CauseId)

UNSURE = 0.5  # from here on a cause holds: it may account for others
SURE = 0.95


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause that accounts for what was found.

    Attributes:
        cause: Its id, which other programs may rely on.
        title: The same in words.
        confidence: From 0 to 1.
        evidence: Sentences with the figures it rests on, the strongest first.
        advice: What to do, the most specific first.
    """

    cause: CauseId
    title: str
    confidence: float
    evidence: tuple[str, ...]
    advice: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether it is sure enough to account for others."""
        return self.confidence >= UNSURE

    def as_dict(self) -> dict[str, Any]:
        """As the result file has it."""
        return {
            **asdict(self),
            "confidence": round(self.confidence, 2),
            "evidence": list(self.evidence),
            "advice": list(self.advice),
        }


Rule = Callable[[ResultView], Cause | None]
Rules = Mapping[CauseId, Rule]


def make_cause(
    cause: CauseId, confidence: float, evidence: tuple[str, ...], advice: tuple[str, ...] = ()
) -> Cause:
    """A cause with its title, and its usual advice after what is said of this very case."""
    return Cause(cause, TITLES[cause], min(confidence, SURE), evidence, (*advice, *ADVICE[cause]))


def scale(value: float, unsure: float, sure: float) -> float:
    """Confidence in proportion: 0.5 at `unsure`, 0.95 from `sure` on; nothing far below."""
    share = (value - unsure) / (sure - unsure)
    return max(0.0, min(SURE, UNSURE + share * (SURE - UNSURE)))
