"""The course of one load in one process: meet, log in, warm up, play, read back, hand in."""

import hashlib
import os
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Literal, TypeAlias

from straingauge.engine import Connections, EngineStats, Load, require_pool, run_load
from straingauge.engine.phases import require_detectable
from straingauge.errors import StraingaugeError, TargetError
from straingauge.http import Response
from straingauge.journey import Journey, Mix, Step, User, limit_concurrency, mix
from straingauge.observe import COOLDOWN_S, MetricNames, Observer
from straingauge.recording import Recorder
from straingauge.schedule import Schedule, constant_users
from straingauge.workers import CoordinatorClient, MergedReports, Report, Shard

MAX_CONCURRENT_LOGINS = 16  # by each process: passwords are slow to check on purpose
MAX_REPORT_SHARE = 0.01  # of the time: what an engine does besides sending makes it late
LOGIN_TIMEOUT_S = 180.0  # a log-in or a check after the load may have to wait a Retry-After out
LOGIN_MAX_AGE_S = (
    600.0  # then it is done again before a load, so that no token ends in the middle of one
)

WarmUp: TypeAlias = Schedule | Literal["detect"] | None


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """What is to be played; the same in each process.

    Attributes:
        test: The test's node id.
        near: The test's file.
        at_most: Processes that may share the load.
        journeys: What each arrival plays.
        schedule: When.
        crowd: All users; each process plays its own.
        log_in: Played once for each user before, if anything.
        warm_up: Played before the load and kept apart; or "detect", to find it in the load.
        verify: Played once by each user after it.
        timeout_s: For requests that name none of their own.
        allowed_hosts: Hosts elsewhere that may be put under load.
        names: What the service calls its figures.
        database_url: Its database; else that of the stand, else ``DATABASE_URL``.
        server_pid: Its topmost process, where its port does not tell.
        quiet_s: For how long it is watched after the load.
        connections: Whose they are, in warm-up and load; see `engine.Load`.
        max_connections: Of a shared pool, over all processes.
    """

    test: str
    near: str
    at_most: int
    journeys: Mix
    schedule: Schedule
    crowd: Sequence[User]
    log_in: Journey | None
    warm_up: WarmUp
    verify: Journey | None
    timeout_s: float
    allowed_hosts: frozenset[str]
    names: MetricNames
    database_url: str | None = field(default=None, repr=False)  # it holds a password
    server_pid: int | None = None
    quiet_s: float = COOLDOWN_S
    connections: Connections = "per-user"
    max_connections: int | None = None

    def __post_init__(self) -> None:
        require_pool(self.connections, self.max_connections)
        if self.warm_up == "detect":
            require_detectable(self.schedule)


@dataclass(slots=True)
class LoginCache:
    """Which users have logged in in this process, and when; kept over tests."""

    _since_s: dict[int, float] = field(default_factory=dict)

    def missing(self, crowd: Iterable[User]) -> list[User]:
        """Those whose log-in is none or too old."""
        due_s = time.monotonic() - LOGIN_MAX_AGE_S
        return [user for user in crowd if self._since_s.get(id(user), -1.0) < max(due_s, 0.0)]

    def add(self, crowd: Iterable[User]) -> None:
        """They have just logged in."""
        self._since_s.update((id(user), time.monotonic()) for user in crowd)


class LoadRunner:
    """One process's part in one load."""

    def __init__(self, order: LoadOrder, fleet: CoordinatorClient, process: str) -> None:
        self._order = order
        self._fleet = fleet
        self._process = process
        self._recorder = Recorder()
        self._observer: Observer | None = None
        self._engines: dict[str, EngineStats] = {}
        self._seat = Shard(None, 0)
        self._url = ""
        self._next_report_s = 0.0

    def run(
        self, plan: Callable[[str], dict[str, Any]], logged_in: LoginCache
    ) -> MergedReports | None:
        """Do all of it; gives the leader what all have measured, the others None.

        Args:
            plan: Makes what a result needs besides the figures, given the service's address.
            logged_in: Who need not log in again.

        Raises:
            TargetError: A log-in failed here.
            LoadBroken: Another process ended the load; its message says why.
        """
        order, fleet = self._order, self._fleet
        self._url = fleet.address(order.near)
        self._seat = fleet.join(order.test, order.at_most)
        if self._seat.index is None:
            return None
        if self._seat.leads:
            fleet.announce(plan(self._url))
        self._prepare(logged_in)
        with ExitStack() as stack:
            if self._seat.leads:
                self._observer = stack.enter_context(self._observe())
            start_ns = fleet.ready(self.report())
            self._play("main", order.schedule, order.journeys, order.crowd, start_ns=start_ns)
            fleet.played(self.report())
            if self._observer is not None:
                self._observer.cooldown(order.quiet_s, meanwhile=self._tick)
        fleet.rested(self.report())
        if order.verify is not None:
            crowd = self._own(order.crowd)
            self._play_each("verify", order.verify, crowd)
        return fleet.end(self.report())

    def _observe(self) -> Observer:
        order = self._order
        return Observer(
            self._url,
            order.names,
            database_url=order.database_url
            or self._fleet.database_url
            or os.environ.get("DATABASE_URL"),
            server_pid=order.server_pid,
        )

    def report(self) -> Report:
        """All that was measured here till now."""
        record = self._recorder.snapshot()
        return Report(
            process=self._process,
            at_ns=time.monotonic_ns(),
            requests=record.requests("main"),
            record=record.to_bytes(),
            extra={
                "engines": dict(self._engines),
                "watched": self._observer.observations() if self._observer else None,
                "credentials": _credentials(self._own(self._order.crowd)),
            },
        )

    def _own(self, crowd: Iterable[User]) -> list[User]:
        return [user for user in crowd if user.index % self._seat.of == self._seat.index]

    def _prepare(self, logged_in: LoginCache) -> None:
        """Log in who has to, and warm up; a failure in one process ends it for all."""
        order = self._order
        try:
            if order.log_in is not None:
                crowd = logged_in.missing(self._own(order.crowd))
                logged_in.add(self._log_in(order.log_in, crowd))
            if order.warm_up is not None and not isinstance(order.warm_up, str):
                self._play("warmup", order.warm_up, order.journeys, order.crowd)
        except Exception as error:
            self._fleet.fail(f"{error}")
            raise

    def _log_in(self, log_in: Journey, crowd: Sequence[User]) -> list[User]:
        """Log these users in; gives them, or those that came to the end before the load was off.

        A request that failed and was tried again by the journey is no failed log-in. A log-in that
        gives up ends the others: they need not find out one after another.
        """
        done: list[User] = []
        failed: list[Exception] = []

        @limit_concurrency(MAX_CONCURRENT_LOGINS)
        @wraps(log_in)
        def to_its_end(user: User) -> Generator[Step, Response, None]:
            try:
                yield from log_in(user)
            except Exception as error:
                failed.append(error)
                raise
            done.append(user)

        self._play_each("setup", to_its_end, crowd, stop=lambda: bool(failed))
        given_up = [error for error in failed if isinstance(error, StraingaugeError)]
        if given_up:
            raise TargetError(
                f"a user could not log in at {self._url}: {given_up[0]}", hint=given_up[0].hint
            )
        if len(done) < len(crowd) and not self._fleet.broken:
            examples = self._recorder.snapshot().total("setup").examples
            last = f"{examples[-1].kind}: {examples[-1].detail}" if examples else "it took too long"
            raise TargetError(
                f"a user could not log in at {self._url}: {last}",
                hint="look at the account the test uses, and at the service's log",
            )
        return done

    def _play_each(
        self,
        phase: str,
        journey: Journey,
        crowd: Sequence[User],
        *,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Let each of these users, all of them this process's own, play a journey once."""
        if crowd:
            once = constant_users(count=len(crowd), iterations=1)
            patience_s = max(self._order.timeout_s, LOGIN_TIMEOUT_S)
            self._play(
                phase,
                once,
                mix(journey),
                crowd,
                share=(0, 1),
                timeout_s=patience_s,
                stop=stop,
            )

    def _play(
        self,
        phase: str,
        schedule: Schedule,
        journeys: Mix,
        crowd: Sequence[User],
        *,
        start_ns: int | None = None,
        share: tuple[int, int] | None = None,
        timeout_s: float | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        order, shared_out = self._order, share is None
        load = Load(
            self._url,
            schedule,
            journeys,
            crowd,
            timeout_s=timeout_s or order.timeout_s,
            connections=order.connections if shared_out else "per-user",
            max_connections=order.max_connections if shared_out else None,
            allowed_hosts=order.allowed_hosts,
        )
        report = run_load(
            load,
            self._recorder,
            start_ns=start_ns,
            share=share or (self._seat.index or 0, self._seat.of),
            phase=phase,
            detect_warmup=phase == "main" and self._order.warm_up == "detect",
            stop=lambda: self._fleet.broken or stop(),
            stop_early=self._halted,
            on_tick=self._tick,
        )
        self._engines[phase] = report
        if report.interrupted:
            self._fleet.report(self.report())
            raise KeyboardInterrupt

    def _tick(self) -> None:
        """Report, but never so often that reporting takes more than its share of the time."""
        began_s = time.monotonic()
        if began_s < self._next_report_s:
            return
        self._fleet.report(self.report())
        cost_s = time.monotonic() - began_s
        self._next_report_s = began_s + cost_s / MAX_REPORT_SHARE

    def _halted(self) -> bool:
        halt_at_ns = self._fleet.halt_at_ns
        return halt_at_ns is not None and time.monotonic_ns() >= halt_at_ns


def _credentials(crowd: Iterable[User]) -> set[str]:
    """Fingerprints of what the users authorize themselves with: how many accounts there are."""
    tokens = (user.headers.get("Authorization") for user in crowd)
    return {hashlib.sha256(token.encode()).hexdigest()[:16] for token in tokens if token}


def as_mix(journey: Journey | Mix) -> Mix:
    """One journey as a mix of one."""
    return journey if isinstance(journey, Mix) else mix(journey)


def schedule_as_dict(schedule: Schedule) -> Mapping[str, Any]:
    """A schedule as the configuration in a result shows it."""
    fields = {name: getattr(schedule, name) for name in schedule.__dataclass_fields__}
    return {"kind": type(schedule).__name__.lower(), **fields}
