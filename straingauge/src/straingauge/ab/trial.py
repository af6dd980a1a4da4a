"""A trial: both variants in turn, until the result is clear or the time is up."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final, Protocol

from straingauge.ab.analysis import LOOKS, RequestsByVariant, changes, is_conclusive
from straingauge.ab.request_log import Requests, SlotResult
from straingauge.ab.slot_plan import NAMES, Name, SlotPlan
from straingauge.compare import Change
from straingauge.errors import StraingaugeError, TargetError
from straingauge.number_text import count, were

SLOT_S: Final = 0.05
_REQUESTS_A_SLOT: Final = 10  # for fewer, most of a slot is its start and end
_LONGEST_SLOT_S: Final = 3.0
_BLOCK_S: Final = 1.0  # pairs within this time are correlated
_BLOCKS: Final = 100  # in a short trial
_LOOK_EVERY_S: Final = 0.05
_START_DELAY_NS: Final = 300_000_000  # until both processes are set up
_SATURATED: Final = 0.9  # of a core: above, the generator is slow
_LIMITED: Final = 0.01  # of the requests


class Worker(Protocol):
    """A process that sends one variant's load; see `variant_worker.VariantWorker`."""

    def start(self, plan: SlotPlan, /) -> None:
        """Start the slots of a plan."""

    def stop(self) -> None:
        """Stop early."""

    def ready(self, within_s: float, /) -> bool:
        """True if the slots are over; waits for at most `within_s`."""

    def result(self) -> SlotResult:
        """The measurements, once the slots are over; raises TargetError."""


@dataclass(slots=True)
class Trial:
    """Measurements so far; kept however the trial ends.

    Attributes:
        slot_s: Duration of a slot.
        pairs: Number of pairs of slots.
        endpoints: Requests of both variants by endpoint.
        changes: The changes, by the last evaluation.
        cpu_share: Highest CPU usage of a worker; 1.0 is a saturated core.
        problems: First error message of each kind, by variant and endpoint.
        ended: Why the trial stopped early; None if it did not.
        error: The error that stopped it, to be raised once everything is written.
    """

    slot_s: float = SLOT_S
    pairs: int = 0
    endpoints: dict[str, dict[Name, Requests]] = field(default_factory=dict)
    changes: Sequence[Change] = ()
    cpu_share: float = 0.0
    problems: dict[str, str] = field(default_factory=dict)
    ended: str | None = None
    error: StraingaugeError | None = None

    def add(self, result: Mapping[Name, SlotResult], plan: SlotPlan) -> None:
        """Add the measurements of both variants in the slots of a plan."""
        for variant, part in result.items():
            self.cpu_share = max(self.cpu_share, part.cpu_share)
            for kind, detail in part.problems.items():
                self.problems.setdefault(f"{variant}: {kind}", detail)
            for name, requests in part.endpoints.items():
                variants = self.endpoints.setdefault(name, {each: Requests() for each in NAMES})
                variants[variant] = variants[variant].followed_by(requests, self.pairs)
        self.pairs += plan.pairs

    def evaluate(self, margin_percent: float, look: float, budget_s: float) -> list[Change]:
        """Compute the changes from all measurements so far."""
        block_s = min(_BLOCK_S, budget_s / _BLOCKS)
        return changes(
            self.endpoints,
            self.pairs,
            margin_percent=margin_percent,
            look=look,
            min_pairs=ceil(block_s / (2 * self.slot_s)),
        )

    def invalid(self) -> str | None:
        """Why no conclusion can be drawn; None if one can."""
        parts = [each for variants in self.endpoints.values() for each in variants.values()]
        total, rate_limited = (
            sum(each.total for each in parts),
            sum(each.rate_limited for each in parts),
        )
        if not total:
            return "no slot was completed: there is nothing to compare"
        if rate_limited > _LIMITED * total:
            return (
                f"{rate_limited:,} of {count(total, 'request')} {were(rate_limited)} rate"
                " limited: turn the limits off for "
                "both variants (--env NAME=VALUE), or use more accounts"
            )
        if self.cpu_share > _SATURATED:
            return "the load generator used up its core: use fewer users"
        return None


def run_trial(
    workers: Mapping[Name, Worker],
    *,
    budget_s: float,
    warmup_s: float = 0.0,
    slot_s: float | None = None,
    users: int = 1,
    margin_percent: float,
    check_alive: Callable[[], None],
    say: Callable[[str], None] = lambda _line: None,
    on_part: Callable[[Trial], None] = lambda _trial: None,
) -> Trial:
    """Measure both variants in turn, and evaluate the data at each share of `LOOKS`.

    Args:
        workers: The workers of both variants.
        budget_s: Maximum time of all slots.
        warmup_s: Time before them, which is not evaluated.
        slot_s: Duration of a slot; measured in the warm-up by default.
        users: Number of users, to choose the duration of a slot.
        margin_percent: Smallest change that counts.
        check_alive: Raises TargetError if a service is gone; called when one does not respond.
        say: Called with a line after each evaluation.
        on_part: Called with the trial so far when the slots up to the next evaluation begin.

    Returns:
        The trial; if a service died or the user interrupted it, with the measurements until then.
    """
    trial = Trial(slot_s=slot_s or SLOT_S)
    try:
        if warmup_s:
            warm = Trial(slot_s=trial.slot_s)
            _run_slots(workers, warm, warmup_s, check_alive)
            trial.slot_s = slot_s or _choose_slot_s(warm.endpoints, users)
        before = 0.0
        for share in LOOKS:
            on_part(trial)
            _run_slots(workers, trial, (share - before) * budget_s, check_alive)
            before = share
            trial.changes = trial.evaluate(margin_percent, share, budget_s)
            if is_conclusive(trial.changes):
                break
            say(f"after {share * budget_s:,.0f} s: some medians are inconclusive")
    except TargetError as error:
        trial.ended, trial.error = str(error), error
    except KeyboardInterrupt:
        trial.ended = "interrupted"
    if trial.ended is not None and trial.pairs:
        trial.changes = trial.evaluate(margin_percent, 1.0, budget_s)
    return trial


def _run_slots(
    workers: Mapping[Name, Worker], trial: Trial, duration_s: float, check_alive: Callable[[], None]
) -> None:
    """Run the slots of one part, and add the measurements, even if it ends early.

    Raises:
        TargetError: A service is gone.
        KeyboardInterrupt: The user interrupted.
    """
    plan = SlotPlan(
        start_ns=time.monotonic_ns() + _START_DELAY_NS,
        slot_ns=round(trial.slot_s * 1e9),
        pairs=max(1, round(duration_s / (2 * trial.slot_s))),
        seed=random.getrandbits(32),
    )
    for worker in workers.values():
        worker.start(plan)
    result: dict[Name, SlotResult] = {}
    try:
        _collect(workers, result)
    except KeyboardInterrupt:
        for variant in set(workers) - set(result):
            workers[variant].stop()
        _collect(workers, result)
        raise
    finally:
        if len(result) == len(workers):
            trial.add(result, plan)
    if any(each.is_unreachable for each in result.values()):
        check_alive()


def _collect(workers: Mapping[Name, Worker], result: dict[Name, SlotResult]) -> None:
    """Wait for both workers; once one finds its service gone, stop the other."""
    stopped = False
    while missing := [variant for variant in NAMES if variant not in result]:
        for variant in missing:
            if workers[variant].ready(_LOOK_EVERY_S):
                result[variant] = workers[variant].result()
                if result[variant].is_unreachable and not stopped:
                    stopped = True
                    for other in set(missing) - set(result):
                        workers[other].stop()


def _choose_slot_s(endpoints: Mapping[str, RequestsByVariant], users: int) -> float:
    """A duration that fits some requests, however slow, and alternates often."""
    took = [each.took_ms.sum() for variants in endpoints.values() for each in variants.values()]
    count = sum(each.took_ms.size for variants in endpoints.values() for each in variants.values())
    if not count:
        return SLOT_S
    typical_s = float(sum(took)) / count / 1000 / users
    return min(max(SLOT_S, _REQUESTS_A_SLOT * typical_s), _LONGEST_SLOT_S)
