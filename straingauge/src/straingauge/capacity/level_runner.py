"""One level of load, really played: from the order to the judged result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from straingauge.capacity.level import Level, Until
from straingauge.capacity.level_search import Phase
from straingauge.errors import TargetError
from straingauge.recording import Record
from straingauge.result.assembly import compose, conclude
from straingauge.runner import outcome
from straingauge.runner.load_runner import LoadOrder, LoadRunner, LoginCache
from straingauge.schedule import Schedule
from straingauge.verdict import Thresholds
from straingauge.workers import LocalCoordinator, MergedReports

ABORT_PERCENT: Final = 20.0
_ENOUGH_TO_ABORT: Final = 20  # errors: fewer may be chance
_QUIET_S: Final = 0.5


@dataclass(slots=True)
class LevelRunner:
    """Plays levels against one service.

    Attributes:
        order: What is played; its schedule and crowd are those of the greatest level.
        schedule: The schedule of a level, for so many seconds.
        step_s: How long a level is played.
        warmup_s: How long before it, uncounted.
        thresholds: What is demanded.
        name: Of the run, for the thresholds.
        until: The grade from which on a level does not hold.
        find_address, find_database: Where the service and its database are.
        abort_percent: Errors from which on a level is ended at once.
        by_users: Whether a level is a number of users.
    """

    order: LoadOrder
    schedule: Callable[[float, float], Schedule]
    step_s: float
    warmup_s: float
    thresholds: Thresholds
    name: str
    until: Until
    find_address: Callable[[str], str]
    find_database: Callable[[], str | None]
    abort_percent: float = ABORT_PERCENT
    by_users: bool = False
    _logged_in: LoginCache = field(default_factory=LoginCache)

    def __call__(self, level: float, phase: Phase) -> tuple[Level, Mapping[str, Any]]:
        """Play it.

        Raises:
            TargetError: No request was sent, or nobody answers any more.
            KeyboardInterrupt: The user has had enough.
        """
        order = self.order
        users = order.crowd[: int(level)] if self.by_users else order.crowd
        order = replace(
            order,
            crowd=users,
            schedule=self.schedule(level, self.step_s),
            warm_up=self.schedule(level, self.warmup_s) if self.warmup_s else None,
            verify=None,
            quiet_s=_QUIET_S,
        )
        watch = _Watch(self.abort_percent)
        solo = LocalCoordinator(self.find_address, watch, find_database=self.find_database)
        watch.solo = solo

        def plan(url: str) -> dict[str, Any]:
            return outcome.run_metadata(
                order, url, name=self.name, thresholds=self.thresholds, results=Path()
            )

        merged = LoadRunner(order, solo, self.name).run(plan, self._logged_in)
        assert merged is not None
        result, _ = conclude(compose(merged, ended=watch.why), self.thresholds)
        found = Level.of(
            level,
            phase,
            result,
            until=self.until,
            arrivals_s=None if self.by_users else self.step_s,
            aborted=watch.why,
        )
        if _nobody_answers(result):
            raise TargetError(
                f"the service died at {level:g}: not one request was answered "
                f"({_first_error(result)})",
                hint="look at its log; start again with a lower --max",
            )
        return found, result


@dataclass(slots=True)
class _Watch:
    """Ends a level in which too much goes wrong."""

    abort_percent: float
    solo: LocalCoordinator | None = None
    why: str | None = None

    def __call__(self, _test: str, merged: MergedReports) -> bool:
        """Called while the level is played; never halts a wave."""
        if self.why is None and self.solo is not None and merged.reports:
            total = Record.from_bytes(merged.reports[0].record).total("main")
            errors = sum(total.errors.values())
            if errors >= _ENOUGH_TO_ABORT and errors > self.abort_percent / 100 * total.requests:
                share = errors / total.requests if total.requests else 1.0
                self.why = f"ended at once: {share:.0%} of the first {total.requests} failed"
                self.solo.broken = True
        return False


def _nobody_answers(result: Mapping[str, Any]) -> bool:
    metrics = result["metrics"]
    return bool(metrics["total_requests"]) and not result["status_codes"]


def _first_error(result: Mapping[str, Any]) -> str:
    examples = result["errors"].get("examples") or [{"detail": "no error was kept"}]
    return str(examples[0]["detail"])
