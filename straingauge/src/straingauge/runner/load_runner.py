"""One process's part in one load: join, log in, warm up, run, cool down, verify, tear down."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import Final

from straingauge.engine import EngineStats, Load, PaceControl, run_load
from straingauge.errors import StraingaugeError
from straingauge.feeders import begin_load, end_load, feeder_uses
from straingauge.http.traceparent import SampledTraceIds, TraceIds
from straingauge.journey import Journey, User, account_fingerprint
from straingauge.observe import Observer
from straingauge.profile import Profiler, ServiceLog, find_log, is_started_here
from straingauge.recording import Recorder
from straingauge.result.format.exceptions import RaisedException
from straingauge.result.format.profile import Profile
from straingauge.runner.load_spec import LoadSpec
from straingauge.runner.login import Login, LoginCache
from straingauge.runner.run_metadata import run_metadata
from straingauge.runner.service_database import ServiceDatabase
from straingauge.runner.tear_down import HURRIED_S, tear_down
from straingauge.workers import (
    Arrivals,
    CoordinatorClient,
    CoordinatorError,
    MergedReports,
    Report,
    Shard,
)

MAX_REPORT_SHARE: Final = 0.01  # of the time: whatever else an engine does delays its requests
MAX_DRAIN_NS: Final = 5_000_000_000  # of a load that was ended: requests in flight may end
_ALL: Final = (0, 1)  # the share of a load whose users are all this process's own


class LoadRunner:
    """Runs one process's share of one load.

    Args:
        spec: The load.
        coordinator: Connects this process to the others that share the load.
        process: Name of this process.
        receiver: Receives the service's spans in the process that judges the load, if they are
            to be received.
    """

    def __init__(
        self,
        spec: LoadSpec,
        coordinator: CoordinatorClient,
        process: str,
        *,
        receiver: AbstractContextManager[object] | None = None,
    ) -> None:
        self._spec = spec
        self._coordinator = coordinator
        self._process = process
        self._receiver = receiver
        self._trace_ids = _trace_ids(spec)
        self._recorder = Recorder(self._trace_ids, keeps_samples=spec.sampling != "none")
        self._observer: Observer | None = None
        self._profiler: Profiler | None = None
        self._profile: Profile | None = None
        self._exceptions: tuple[RaisedException, ...] = ()
        self._engines: dict[str, EngineStats] = {}
        self._shard = Shard(None, 0)
        self._is_torn_down = False
        self._url = ""
        self._next_report_s = 0.0
        self._arrivals = Arrivals()
        self._pace = PaceControl() if spec.is_controlled else None
        self._abandon_at_ns: int | None = None

    def run(self, logins: LoginCache) -> MergedReports | None:
        """Run all phases; return the reports of all processes to the leader, None to the others.

        Args:
            logins: The users that need not log in again.

        Raises:
            TargetError: A log-in failed in this process.
            LoadAborted: Another process ended the load; the message gives its reason.
        """
        spec, coordinator = self._spec, self._coordinator
        self._url = coordinator.find_target(spec.test_file, spec.http)
        self._shard = coordinator.join(spec.test, spec.max_processes)
        if self._shard.is_restored:
            logins.clear()
        if self._shard.index is None:
            return None
        if self._trace_ids is not None:
            self._trace_ids.begin_shard(self._shard.index)
        begin_load(self._shard.load_id)
        try:
            return self._run_phases(logins)
        except BaseException:
            self._tear_down(logins, within_s=HURRIED_S)
            raise
        finally:
            end_load()

    def _run_phases(self, logins: LoginCache) -> MergedReports | None:
        spec, coordinator = self._spec, self._coordinator
        if self._shard.is_leader:
            coordinator.send_metadata(run_metadata(spec, self._url))
        with ExitStack() as stack:
            self._receive_spans(stack)
            self._prepare(logins)
            if self._shard.is_leader:
                self._observer = stack.enter_context(self._observe())
                if self._is_profiled():
                    self._profiler = stack.enter_context(self._make_profiler())
            log = self._find_log()
            start_ns = coordinator.wait_for_start(self.report())
            if self._profiler is not None:
                self._profiler.begin()
            self._run_phase("main", spec.load(self._url), start_ns=start_ns)
            coordinator.wait_for_load_end(self.report())
            if self._observer is not None:
                self._observer.cooldown(spec.cooldown_s, meanwhile=self._tick)
            if self._profiler is not None:
                self._profile = self._profiler.profile()
            if log is not None:
                self._exceptions = tuple(log.exceptions())
        coordinator.wait_for_cooldown_end(self.report())
        if spec.verify is not None and not coordinator.is_ended:
            self._run_once("verify", spec.verify, self._own_users())
        self._tear_down(logins)
        return coordinator.finish(self.report())

    def _tear_down(self, logins: LoginCache, within_s: float | None = None) -> None:
        """Let the users end, once, if they have done anything."""
        if self._is_torn_down or not self._engines:
            return
        self._is_torn_down = True
        users = self._own_users()
        stats = tear_down(self._spec, self._url, users, self._recorder, within_s=within_s)
        if stats is None:
            return
        logins.remove(users)
        self._engines["teardown"] = stats
        with suppress(CoordinatorError):  # the load was aborted because of it
            self._coordinator.send_report(self.report())
        if stats.interrupted:
            raise KeyboardInterrupt

    def report(self) -> Report:
        """Return everything measured in this process so far."""
        record = self._recorder.snapshot()
        return Report(
            process=self._process,
            at_ns=time.monotonic_ns(),
            requests=record.requests("main"),
            record=record.to_bytes(),
            engines=dict(self._engines),
            observations=self._observer.observations() if self._observer else None,
            credentials=frozenset(filter(None, map(account_fingerprint, self._own_users()))),
            profile=self._profile,
            exceptions=self._exceptions,
            feeders=feeder_uses(),
            arrivals=self._arrivals,
            samples=self._recorder.samples(),
        )

    def _is_profiled(self) -> bool:
        wanted = self._spec.profile
        if wanted is not None:
            return wanted
        return is_started_here(self._listening_url, self._spec.server_pid)

    @property
    def _listening_url(self) -> str:
        return self._spec.http.listening_url(self._url)

    def _make_profiler(self) -> Profiler:
        spec = self._spec
        return Profiler(
            self._listening_url,
            spec.server_pid,
            self._recorder.outcomes,
            spec.schedule.duration_s,
            is_requested=spec.profile is True,
        )

    def _find_log(self) -> ServiceLog | None:
        if not self._shard.is_leader:
            return None
        started = self._coordinator.started
        return find_log(self._listening_url, self._spec.server_pid, started)

    def _observe(self) -> Observer:
        spec = self._spec
        database = ServiceDatabase.of(spec, self._coordinator.started)
        return Observer(
            self._url,
            spec.metric_names,
            database_url=database.url if database else None,
            server_pid=spec.server_pid,
            http=spec.http,
        )

    def _receive_spans(self, stack: ExitStack) -> None:
        """Receive spans in the leader; if it cannot, the load ends for all."""
        if self._receiver is None or not self._shard.is_leader:
            return
        try:
            stack.enter_context(self._receiver)
        except Exception as error:
            self._fail(error)
            raise

    def _fail(self, error: Exception) -> None:
        """End the load in all processes, before it begins."""
        self._coordinator.fail(
            f"{error}", error.hint if isinstance(error, StraingaugeError) else None
        )

    def _own_users(self) -> list[User]:
        shard = self._shard
        return [user for user in self._spec.users if user.index % shard.count == shard.index]

    def _prepare(self, logins: LoginCache) -> None:
        """Log users in and warm up; a failure in one process ends the load for all."""
        spec = self._spec
        try:
            if spec.log_in is not None:
                self._log_in(spec.log_in, logins)
            if spec.warm_up is not None and not isinstance(spec.warm_up, str):
                self._run_phase("warmup", spec.load(self._url, schedule=spec.warm_up))
        except Exception as error:
            self._fail(error)
            raise

    def _log_in(self, journey: Journey, logins: LoginCache) -> None:
        login = Login(journey, logins.missing(self._own_users()))
        self._run_once("setup", login.journey, login.users, stop=login.has_failed)
        logins.add(login.completed)
        if login.has_failed() or not self._coordinator.is_aborted:
            login.require_complete(self._url, self._recorder.snapshot())

    def _run_once(
        self,
        phase: str,
        journey: Journey,
        users: Sequence[User],
        *,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Let each of these users, all of them this process's own, run a journey once."""
        if users:
            load = self._spec.single_run(self._url, journey, users)
            self._run_phase(phase, load, share=_ALL, stop=stop)

    def _run_phase(
        self,
        phase: str,
        load: Load,
        *,
        start_ns: int | None = None,
        share: tuple[int, int] | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        stats = self._engines[phase] = run_load(
            load,
            self._recorder,
            start_ns=start_ns,
            share=share or (self._shard.index or 0, self._shard.count),
            phase=phase,
            detect_warmup=phase == "main" and self._spec.warm_up == "detect",
            stop=lambda: self._is_over(phase) or stop(),
            stop_early=self._is_stopped,
            abandon=self._is_drained,
            on_arrivals=self._count_arrivals if phase == "main" else None,
            on_tick=self._tick,
            trace_ids=self._trace_ids,
            pace=self._pace if phase == "main" else None,
        )
        if phase == "main" and self._profiler is not None:
            self._profiler.end()
        if stats.interrupted:
            if self._profiler is not None:
                self._profile = self._profiler.profile()
            self._coordinator.send_report(self.report())
            raise KeyboardInterrupt

    def _tick(self) -> None:
        """Send a report, unless reporting would take more than its share of the time."""
        began_s = time.monotonic()
        if began_s < self._next_report_s:
            return
        self._coordinator.send_report(self.report())
        cost_s = time.monotonic() - began_s
        self._next_report_s = began_s + cost_s / MAX_REPORT_SHARE

    def _is_over(self, phase: str) -> bool:
        coordinator = self._coordinator
        if self._pace is not None and coordinator.pace is not None:
            self._pace.set(coordinator.pace)
        return coordinator.is_aborted or (phase == "main" and coordinator.is_ended)

    def _is_drained(self) -> bool:
        """Return whether requests in flight of a load that was ended had their time."""
        if not self._coordinator.is_ended:
            return False
        now_ns = time.monotonic_ns()
        self._abandon_at_ns = self._abandon_at_ns or now_ns + MAX_DRAIN_NS
        return now_ns >= self._abandon_at_ns

    def _count_arrivals(self, started: int, due: int, busy: int) -> None:
        self._arrivals = Arrivals(started, due, busy)

    def _is_stopped(self) -> bool:
        stop_at_ns = self._coordinator.stop_at_ns
        return stop_at_ns is not None and time.monotonic_ns() >= stop_at_ns


def _trace_ids(spec: LoadSpec) -> TraceIds | None:
    """Return the ids of the requests' traces; None to send no header `traceparent`."""
    if not spec.traceparent:
        return None
    if spec.trace_prefix or spec.sampling == "spans":
        return SampledTraceIds(prefix=spec.trace_prefix)
    return SampledTraceIds(is_flagged=False) if spec.sampling == "samples" else TraceIds()
