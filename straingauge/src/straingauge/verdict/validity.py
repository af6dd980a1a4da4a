"""Whether a run says anything about the service at all: named reasons, each with what to do.

An *invalid* run has no verdict. A *note* is something a reader must know beside the figures.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from straingauge.result.format.result import ReasonDict, ValidityDict
from straingauge.statistics import samples_needed
from straingauge.workers import LostProcess

RATE_LIMITED_LIMIT = 0.01  # of all requests
DROPPED_LIMIT = 0.01  # of all work that was due
LOST_LIMIT = 0.10  # of the load
LATE_FLOOR_MS = 20.0  # below this no lateness matters
LATE_SHARE = 0.1  # of p95: nor below this
LATE_LIMIT_MS = 250.0
BUSY_CPU_SHARE = 0.95  # of one core, by one process of the generator
ENOUGH_FOR_P99 = samples_needed(0.99)


@dataclass(frozen=True, slots=True)
class ValidityInput:
    """What validity is decided on.

    Attributes:
        requests: Of the main phase, all that ended in some way.
        rate_limited: Those among them that were answered 429 without having asked for it.
        dropped: Work that was due and could not start.
        start_delay_p99_ms: How late the first request of an arrival left, against its schedule.
        p95_ms: The response time lateness is held against.
        loop_lag_p50_ms: How late the generator's own event loop usually was.
        loop_lag_p99_ms: How late it was one time in a hundred.
        cpu_share: Of one core, by the busiest process of the generator, 0..1.
        lost: Processes that went away.
        unsent: Requests they would have sent, by what the others sent.
        interrupted: By whom or what the run was ended early.
        setup_error: Why no load was sent.
        users: That had to log in.
        accounts: That they turned out to have between them.
        idle: Processes without a share.
        processes: Processes with one.
        unseen: What the observers could not see, in words.
    """

    requests: int = 0
    rate_limited: int = 0
    dropped: int = 0
    start_delay_p99_ms: float = 0.0
    p95_ms: float | None = None
    loop_lag_p50_ms: float = 0.0
    loop_lag_p99_ms: float = 0.0
    cpu_share: float = 0.0
    lost: Sequence[LostProcess] = ()
    unsent: int = 0
    interrupted: str | None = None
    setup_error: str | None = None
    users: int = 0
    accounts: int = 0
    idle: int = 0
    processes: int = 1
    unseen: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing to know before believing the figures."""

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


Rule = Callable[[ValidityInput], Iterable[Reason]]


def check_validity(evidence: ValidityInput) -> list[Reason]:
    """All reasons that apply, the invalidating ones first."""
    reasons = [reason for rule in _RULES for reason in rule(evidence)]
    return sorted(reasons, key=lambda reason: reason.severity)


def as_dict(reasons: Sequence[Reason]) -> ValidityDict:
    """Return the `validity` section of a result."""
    return {
        "valid": all(reason.severity != "invalid" for reason in reasons),
        "reasons": [reason.as_dict() for reason in reasons],
    }


def _setup_failed(evidence: ValidityInput) -> Iterable[Reason]:
    if evidence.setup_error:
        yield Reason("setup_failed", "invalid", f"no load was sent: {evidence.setup_error}")


def _interrupted(evidence: ValidityInput) -> Iterable[Reason]:
    if evidence.interrupted:
        yield Reason(
            "interrupted",
            "invalid",
            f"{evidence.interrupted}, after {evidence.requests} requests; "
            "the figures are of what was measured till then",
            "run it again to its end",
        )


def _no_data(evidence: ValidityInput) -> Iterable[Reason]:
    if not (evidence.requests or evidence.setup_error or evidence.interrupted):
        yield Reason(
            "no_data", "invalid", "not one request was sent", "look at the journey and its schedule"
        )


def _rate_limited(evidence: ValidityInput) -> Iterable[Reason]:
    share = evidence.rate_limited / evidence.requests if evidence.requests else 0.0
    if share:
        yield Reason(
            "rate_limited",
            "invalid" if share > RATE_LIMITED_LIMIT else "note",
            f"{evidence.rate_limited} of {evidence.requests} requests ({share:.1%}) were answered "
            "429: what was measured is the limiter",
            "spread the load over more users, or raise the service's limit for this test",
        )


def _late(evidence: ValidityInput) -> Iterable[Reason]:
    """Lateness is in the response times; what it may not do is decide the verdict.

    A generator without CPU left is late all the time, and so is one that others leave none. One
    that is late now and then, on a machine it shares, is a note until its delays are as large as
    what people demand of services.
    """
    late = max(evidence.start_delay_p99_ms, evidence.loop_lag_p99_ms)
    share = late / evidence.p95_ms if evidence.p95_ms else math.inf
    if late <= LATE_FLOOR_MS or share <= LATE_SHARE:
        return
    saturated = _busy(evidence) or evidence.loop_lag_p50_ms > LATE_FLOOR_MS
    yield Reason(
        "generator_saturated" if saturated else "generator_late",
        "invalid" if saturated or late > LATE_LIMIT_MS else "note",
        f"the generator itself was late, by {late:.0f} ms or more one time in a hundred (arrivals "
        f"{evidence.start_delay_p99_ms:.0f} ms, event loop {evidence.loop_lag_p99_ms:.0f} ms, "
        f"{evidence.cpu_share:.0%} of a core busy), and response times contain that",
        "use more processes (-n), a lower rate, or a machine that does nothing else",
    )


def _busy(evidence: ValidityInput) -> bool:
    return evidence.cpu_share >= BUSY_CPU_SHARE


def _no_cpu_left(evidence: ValidityInput) -> Iterable[Reason]:
    """A generator that keeps up, but only just: its times are right, its rate may be its own."""
    if _busy(evidence) and not list(_late(evidence)):
        yield Reason(
            "generator_busy",
            "note",
            f"a process of the generator was busy {evidence.cpu_share:.0%} of the time, though not "
            "late: where users wait for answers, the throughput is its limit, not the service's",
            "use more processes (-n) before leaning on the throughput",
        )


def _dropped(evidence: ValidityInput) -> Iterable[Reason]:
    share = evidence.dropped / ((evidence.requests + evidence.dropped) or 1)
    if share:
        yield Reason(
            "dropped_work",
            "invalid" if share > DROPPED_LIMIT else "note",
            f"{evidence.dropped} arrivals ({share:.1%}) found no free user and never started",
            "use more users, or a lower rate",
        )


def _lost(evidence: ValidityInput) -> Iterable[Reason]:
    if not evidence.lost:
        return
    missing = evidence.unsent + sum(lost.samples_at_most for lost in evidence.lost)
    share = missing / ((evidence.requests + missing) or 1)
    for lost in evidence.lost:
        yield Reason(
            "lost_worker",
            "invalid" if share > LOST_LIMIT else "note",
            f"process {lost.process} was lost ({lost.reason}); at most {lost.samples_at_most} "
            f"samples went with it, and about {evidence.unsent} requests of its share were not "
            f"sent: {share:.0%} of the load is missing",
            "look for what killed it: memory (dmesg), a signal",
        )


def _shared_accounts(evidence: ValidityInput) -> Iterable[Reason]:
    if 0 < evidence.accounts < evidence.users:
        yield Reason(
            "single_account" if evidence.accounts == 1 else "shared_accounts",
            "note",
            f"{evidence.users} users share {evidence.accounts} account(s): limits by user bite "
            "sooner, caches and rows are hotter than in life, nothing is learnt of isolation",
            "create an account for each user",
        )


def _idle(evidence: ValidityInput) -> Iterable[Reason]:
    if evidence.idle:
        yield Reason(
            "idle_processes",
            "note",
            f"{evidence.idle} of {evidence.idle + evidence.processes} processes took no "
            "share: more than the cores, or than the users, would only disturb the measurement",
        )


def _few_samples(evidence: ValidityInput) -> Iterable[Reason]:
    if 0 < evidence.requests < ENOUGH_FOR_P99:
        yield Reason(
            "few_samples",
            "note",
            f"{evidence.requests} samples are too few for p99: it has an interval from "
            f"{ENOUGH_FOR_P99} on",
            "send more requests before leaning on p99",
        )


def _unseen(evidence: ValidityInput) -> Iterable[Reason]:
    for what in evidence.unseen:
        yield Reason("not_observed", "note", what)


_RULES: Sequence[Rule] = (
    _setup_failed,
    _interrupted,
    _no_data,
    _rate_limited,
    _late,
    _no_cpu_left,
    _dropped,
    _lost,
    _shared_accounts,
    _idle,
    _few_samples,
    _unseen,
)
