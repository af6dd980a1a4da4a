"""The `load` fixture of load tests, their accounts, and the measured run.

Example:
    @pytest.mark.load(endpoints=["GET /health"])
    def test_concurrent_health_checks(load):
        '''/health responds to waves of 100 concurrent requests.'''
        run = load.run(
            "concurrent_health_checks",
            journeys.health,
            waves(concurrent=100, every_s=1.0, at_least=1, at_most=20),
            users=load.accounts(journeys.account, 100),
        )
        load.judge(run)

Under ``pytest -n N``, N processes execute the test at once, up to `LoadTest.run`. There they share
one schedule from one start instant, and all but one of them leave the test. Therefore:

- everything before `run` is executed N times: it must be fast, and do the same in each process;
- everything after `run` is executed once, by the leading process, which always owns user 0;
- a load test runs **one** load.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from straingauge import report
from straingauge.engine import Connections
from straingauge.errors import CriticalVerdict, InvalidRun, UsageError
from straingauge.http.settings import HttpSettings
from straingauge.journey import Account, Journey, Mix, Scenario
from straingauge.observe import COOLDOWN_S
from straingauge.pytest_plugin.follow_ups import follow_ups
from straingauge.pytest_plugin.load_items import endpoints, is_load_test, parameters, test_name
from straingauge.pytest_plugin.load_run import LoadRun
from straingauge.pytest_plugin.options import option, wanted
from straingauge.pytest_plugin.source_names import SourceNames, folder_of_tests
from straingauge.pytest_plugin.span_receiver import span_receiver
from straingauge.pytest_plugin.worker_context import WorkerContext
from straingauge.report.junit import junit_properties
from straingauge.result.assembly import compose
from straingauge.result.format import WriteError
from straingauge.runner import (
    DEFAULT_TIMEOUT_S,
    FollowUp,
    LoadRunner,
    LoadSpec,
    Outcome,
    WarmUp,
    load_parts,
    write_outcome,
)
from straingauge.schedule import Schedule
from straingauge.target.service_locator import http_settings_for, metric_names_for
from straingauge.verdict import LOCUST, Finding, Thresholds


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts of the virtual users of a load test; made by `LoadTest.accounts`.

    Process i of n owns, logs in and runs the users with ``index % n == i``.
    """

    count: int
    account: Account | None
    log_in: Journey | None


class LoadTest:
    """The `load` fixture: runs one load, and judges it."""

    def __init__(self, item: pytest.Item, context: WorkerContext) -> None:
        self._item = item
        self._context = context
        self._ran = False
        self._follow_ups: list[FollowUp] = []
        self.outcome: Outcome | None = None

    @property
    def host(self) -> str:
        """Base URL of the service, which is started if necessary.

        Raises:
            TargetError: No service can be reached or started.
        """
        return self._context.coordinator.find_target(self._item.path)

    def accounts(
        self, account: Account | None, count: int, *, log_in: Journey | None = None
    ) -> Accounts:
        """Describe `count` virtual users.

        Each has its own connection, ``user.data = dict(account(index))`` and ``user.index``. Each
        runs `log_in` once before the load (phase "setup", not measured), and stays logged in for
        later tests of the session with the same `account` and `log_in`. A failed log-in ends the
        test before any load is sent. If several users share an account, the result has a warning.

        Args:
            account: Returns the data of the user with an index; None for no data.
            count: Number of users.
            log_in: Journey that logs a user in.
        """
        return Accounts(count, account, log_in)

    def run(
        self,
        name: str,
        journey: Journey | Mix | Sequence[Scenario],
        schedule: Schedule | None = None,
        *,
        users: Accounts | int = 1,
        warm_up: WarmUp = None,
        verify: Journey | None = None,
        tear_down: Journey | None = None,
        cooldown_s: float = COOLDOWN_S,
        configuration: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
        connections: Connections = "per-user",
        max_connections: int | None = None,
        processes: int | None = None,
        http: Mapping[str, object] | None = None,
    ) -> LoadRun:
        """Run the load in all processes together, and return what was measured.

        In order: check the threshold file, wait for the other processes, log the users in, run
        `warm_up`, `schedule`, the cooldown, `verify` and `tear_down`. Only the leading process
        returns; the others leave the test.

        Args:
            name: Name of the run and of its ``[test.NAME]`` table in thresholds.toml, usually that
                of the test function ``test_NAME``; its result file is named after it.
            journey: The journey, several with weights made by `straingauge.mix`, or a list of
                scenarios, which have their own schedules and numbers of users.
            schedule: When journeys start. `straingauge.waves` ends early once the percentiles of
                all processes together are precise enough.
            users: The accounts of the users; a number means users without accounts.
            warm_up: A schedule that runs before the load; it is in the result file, but not in the
                verdict. Or "detect": the end of the warm-up is detected in the load, and up
                to half of the load is kept apart; ``metrics["warmup"]`` says how much and why.
            verify: Journey that each user runs once after the load (phase "verify"), to read back
                acknowledged writes or to wait out a Retry-After. Each failed request (status,
                check, exception) is a critical finding.
            tear_down: Journey that each user runs once at the end, also after Ctrl-C, to remove
                what it has created (phase "teardown"). Its failures are shown, and not judged.
            cooldown_s: How long the service is observed after the load, before `verify`. What it
                still holds then is leaked; a small memory leak takes longer to detect.
            configuration: Shown in the result in addition to the above; no secrets.
            timeout_s: Timeout of requests without a `timeout_s`; 30 s unless the option
                --load-timeout, `http` or ``[http]`` says otherwise.
            connections: "per-user", kept alive; "per-journey", a new one for each journey; or
                "shared", a pool for all users, as in the client of another service.
            max_connections: Size of that pool, over all processes; one for each user if None.
            processes: Number of processes that may share the load; by default all, up to the number
                of cores and users.
            http: Settings of connections of this load, with the names of ``[http]`` in
                straingauge.toml, which they replace; options of the command line come before both.
                Their files are relative to the test's file.

        Raises:
            UsageError: The threshold file or a setting is invalid, the test has run a load already,
                there are no users, or a warm-up is to be detected in a ramp, in steps or in a
                spike.
            TargetError: No service responds, or a log-in failed.
        """
        if self._ran:
            raise UsageError(
                f"{self._item.name}: a load test runs one load",
                hint="write a second test for the second load",
            )
        self._ran = True
        _require_no_event_loop(self._item)
        accounts = users if isinstance(users, Accounts) else Accounts(users, None, None)
        receiver = span_receiver(self._item.config, self._item.nodeid)
        settings = self._http_settings(http)
        parts = load_parts(
            journey,
            schedule,
            accounts.count,
            lambda count: self._context.users(accounts.account, count, accounts.log_in, settings),
        )
        parts["max_processes"] = min(processes or parts["max_processes"], parts["max_processes"])
        connections_needed = max_connections or len(parts["users"])
        self._context.require_resources(self._item.path, connections_needed, parts["max_processes"])
        spec = LoadSpec(
            name=name,
            test=self._item.nodeid,
            test_file=self._item.path,
            **parts,
            thresholds=self._thresholds(name),
            log_in=accounts.log_in,
            warm_up=warm_up,
            verify=verify,
            tear_down=tear_down,
            cooldown_s=cooldown_s,
            timeout_s=self._context.http_settings.timeout_s
            or timeout_s
            or settings.timeout_s
            or DEFAULT_TIMEOUT_S,
            connections=connections,
            max_connections=max_connections,
            allowed_hosts=self._context.allowed_hosts,
            http=settings,
            metric_names=metric_names_for(self._item.path),
            database_url=option(self._item.config, "--load-database-url"),
            memory_probe=wanted(self._item.config, "memory-probe"),
            is_controlled=option(self._item.config, "--load-control") is not None,
            abort_dead_s=option(self._item.config, "--load-abort-dead"),
            plans=not option(self._item.config, "--load-no-plans"),
            traceparent=not option(self._item.config, "--load-no-traceparent"),
            trace_prefix=receiver.buffer.prefix if receiver else None,
            sampling=self._context.sampling,
            explain=wanted(self._item.config, "explain"),
            server_pid=self._context.server_pid,
            profile=self._context.profile,
            thresholds_file=self._context.thresholds_file(self._item.path),
            results_dir=self._context.results_dir(self._item.path),
            required_endpoints=tuple(endpoints(self._item.iter_markers("load"))),
            configuration=configuration or {},
        )
        coordinator = self._context.coordinator
        runner = LoadRunner(spec, coordinator, self._context.name, receiver=receiver)
        merged = runner.run(self._context.logins)
        if merged is None:
            pytest.skip("another process leads this load")
        self._follow_ups = follow_ups(
            spec, coordinator, merged, logins=self._context.logins, receiver=receiver
        )
        return LoadRun.from_result(compose(merged), spec)

    def _http_settings(self, given: Mapping[str, object] | None) -> HttpSettings:
        """Return the settings of connections: options, then those given, then ``[http]``."""
        file = self._item.path
        own = HttpSettings.of(given or {}, file.parent)
        return self._context.http_settings.over(own).over(http_settings_for(file))

    def judge(self, run: LoadRun, findings: Iterable[Finding] = ()) -> None:
        """Judge the run by thresholds.toml and by `findings`, and write its result file.

        Args:
            run: What `run` gave.
            findings: What the test itself found, such as
                ``Finding("first 429", "critical", "came at request 131, not 101")``; they are
                entries of the verdict like any threshold. Grades: target, acceptable, warning,
                critical.

        Raises:
            CriticalVerdict: A critical threshold was crossed, or data for a threshold is missing.
            InvalidRun: The run says nothing about the service (see ``validity`` in the result).
            WriteError: The result file could not be written; the message has the statistics.
        """
        end = self.outcome = write_outcome(
            run.result,
            run.thresholds,
            self._context.results_dir(self._item.path),
            findings=findings,
            required_endpoints=run.required_endpoints,
            follow_ups=self._follow_ups,
        )
        self._context.coordinator.mark_saved()
        self._item.user_properties += junit_properties(end.result)
        self._item.user_properties.append(("result_file", str(end.path or "")))
        if end.problem is not None:
            figures = report.summary_line(end.result)
            raise WriteError(f"{end.problem}\n  {figures}", end.problem.hint) from end.problem
        if end.verdict.grade == "invalid":
            raise InvalidRun(report.invalid_reason(end.result), hint=report.advice(end.result))
        if end.verdict.failed:
            found = [entry.message for entry in end.verdict.decisive]
            raise CriticalVerdict("\n".join(found + report.error_lines(end.result)))

    def _thresholds(self, name: str) -> Thresholds:
        """Read the threshold file; check its names against the load tests that it is for."""
        item, file = self._item, self._context.thresholds_file(self._item.path)
        thresholds = Thresholds.read(file)
        if file is None:
            return thresholds
        tests = [each for each in item.session.items if is_load_test(each)]
        names = {test_name(each) for each in tests} | parameters(tests)
        declared = endpoints(mark for each in tests for mark in each.iter_markers("load"))
        project = item.config.rootpath if item.config.inipath is not None else None
        folder = folder_of_tests(file, item.path, project)
        source = SourceNames.below(folder, tuple(item.config.getini("norecursedirs")))
        thresholds.check_names(
            tests={name, LOCUST, *names, *filter(source.has_test, thresholds.tests)},
            endpoints=declared and {*declared, *filter(source.has_endpoint, thresholds.endpoints)},
        )
        return thresholds


def _require_no_event_loop(item: pytest.Item) -> None:
    """Require that the caller is no coroutine: `run` blocks, and has an event loop itself."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError(
        f"{item.name}: async code cannot call load.run, which would block its event loop",
        hint="write load tests with `def`, not `async def`; journeys are generators",
    )
