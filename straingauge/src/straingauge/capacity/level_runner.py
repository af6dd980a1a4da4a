"""One level of load: from its specification to its result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from straingauge.capacity.level import FailAt, Level
from straingauge.capacity.level_search import Phase
from straingauge.capacity.recovery import PROBE_RATE, PROBE_S, Recovery
from straingauge.errors import TargetError
from straingauge.http.settings import HttpSettings
from straingauge.recording import Record
from straingauge.result.assembly import compose, conclude
from straingauge.runner import LoadRunner, LoadSpec, LoginCache
from straingauge.schedule import Schedule, constant
from straingauge.target.started_service import StartedService
from straingauge.verdict import Thresholds
from straingauge.workers import LocalCoordinator, MergedReports

ABORT_PERCENT: Final = 20.0
_ENOUGH_TO_ABORT: Final = 20  # errors: fewer may be chance
_COOLDOWN_S: Final = 0.5


@dataclass(slots=True)
class LevelRunner:
    """Runs levels against one service.

    Attributes:
        spec: The load; its schedule and users are those of the highest level.
        schedule: Makes the schedule of a level from its load and duration in seconds.
        step_s: Duration of a level.
        warmup_s: Duration of its warm-up, which is not measured.
        thresholds: The thresholds.
        fail_at: Grade at which a level fails.
        locate: Returns the URL of the service; see `LocalCoordinator`.
        locate_started: Returns the service if it was started here.
        before_load: Called before each level; returns whether the database was restored.
        abort_percent: Error rate at which a level is aborted.
        by_users: Whether a level is a number of users.
    """

    spec: LoadSpec
    schedule: Callable[[float, float], Schedule]
    step_s: float
    warmup_s: float
    thresholds: Thresholds
    fail_at: FailAt
    locate: Callable[[Path, HttpSettings], str]
    locate_started: Callable[[], StartedService | None]
    abort_percent: float = ABORT_PERCENT
    by_users: bool = False
    before_load: Callable[[], bool] = lambda: False
    _logins: LoginCache = field(default_factory=LoginCache)
    _recovery: Recovery = field(init=False)
    _failed: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._recovery = Recovery(self._probe)

    def __call__(self, level: float, phase: Phase) -> tuple[Level, Mapping[str, Any]]:
        """Run a level, after the service has recovered from the one before.

        Raises:
            TargetError: No request was sent, or the service stopped responding, or did not recover.
            KeyboardInterrupt: The user interrupted.
        """
        self._recovery.measure()
        if self._failed is not None:
            self._recovery.wait(self._failed)
        spec = self.spec
        spec = replace(
            spec,
            users=spec.users[: int(level)] if self.by_users else spec.users,
            schedule=self.schedule(level, self.step_s),
            warm_up=self.schedule(level, self.warmup_s) if self.warmup_s else None,
            verify=None,
            profile=False,
            cooldown_s=_COOLDOWN_S,
        )
        watch = _Watch(self.abort_percent)
        coordinator = LocalCoordinator(
            self.locate,
            watch,
            locate_started=self.locate_started,
            before_load=self.before_load,
        )
        watch.coordinator = coordinator
        merged = LoadRunner(spec, coordinator, spec.name).run(self._logins)
        assert merged is not None
        result, _ = conclude(compose(merged, ended=watch.why), self.thresholds)
        found = Level.of(
            level,
            phase,
            result,
            fail_at=self.fail_at,
            arrivals_s=None if self.by_users else self.step_s,
            aborted=watch.why,
        )
        if _is_unreachable(result):
            raise TargetError(
                f"the service died at {level:g}: not one request was answered "
                f"({_first_error(result)})",
                hint="look at its log; start again with a lower --max",
            )
        self._failed = None if found.passed else level
        return found, result

    def _probe(self) -> Mapping[str, Any]:
        """Send a few requests, and return their result."""
        spec = replace(
            self.spec,
            users=self.spec.users[: int(PROBE_RATE * PROBE_S)],
            schedule=constant(rate_per_s=PROBE_RATE, duration_s=PROBE_S),
            warm_up=None,
            verify=None,
            profile=False,
            cooldown_s=0.0,
        )
        coordinator = LocalCoordinator(
            self.locate, lambda _test, _merged: False, locate_started=self.locate_started
        )
        merged = LoadRunner(spec, coordinator, spec.name).run(self._logins)
        assert merged is not None
        return compose(merged)


@dataclass(slots=True)
class _Watch:
    """Aborts a level with too many errors."""

    abort_percent: float
    coordinator: LocalCoordinator | None = None
    why: str | None = None

    def __call__(self, _test: str, merged: MergedReports) -> bool:
        """Check the errors so far; always returns False, since no wave is halted."""
        if self.why is None and self.coordinator is not None and merged.reports:
            total = Record.from_bytes(merged.reports[0].record).total("main")
            errors = sum(total.errors.values())
            if errors >= _ENOUGH_TO_ABORT and errors > self.abort_percent / 100 * total.requests:
                share = errors / total.requests if total.requests else 1.0
                self.why = f"ended at once: {share:.0%} of the first {total.requests} failed"
                self.coordinator.is_aborted = True
        return False


def _is_unreachable(result: Mapping[str, Any]) -> bool:
    metrics = result["metrics"]
    return bool(metrics["total_requests"]) and not result["status_codes"]


def _first_error(result: Mapping[str, Any]) -> str:
    examples = result["errors"].get("examples") or [{"detail": "no error was kept"}]
    return str(examples[0]["detail"])
