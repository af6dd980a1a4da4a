"""What a load test sees: the `load` fixture, the users it makes and the run it gets back.

A load test is three sentences, and reads like one:

    @pytest.mark.load(endpoints=["GET /health"])
    def test_concurrent_health_checks(load):
        '''A hundred at once, again and again, do not make /health slow.'''
        run = load.run(
            "concurrent_health_checks",
            journeys.health,
            waves(concurrent=100, every_s=1.0, at_least=1, at_most=20),
            users=load.users(journeys.account, 100),
        )
        load.judge(run)

Under ``pytest -n N`` the body is executed by N processes at once, up to `LoadTest.run`, where they meet, play one
schedule together from one start instant, and where all but one of them leave the test. So:

- everything before `run` is executed N times: it must be cheap and do the same in each process;
- everything after `run` is executed once, by the leading process, which always owns user 0;
- a load test runs **one** load.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from straingauge.journey import Journey, Mix, User
from straingauge.schedule import Schedule
from straingauge.verdict import Finding

Account = Callable[[int], Mapping[str, Any]]
"""What user `index` starts with: becomes `User.data` (an address, a password, a file to send)."""


@dataclass(frozen=True, slots=True)
class Users:
    """The virtual users of a load test; made by `LoadTest.users`.

    Process i of n plays, logs in and owns the users with ``index % n == i``.
    """

    count: int
    account: Account | None
    log_in: Journey | None


@dataclass(frozen=True, slots=True)
class Run:
    """One load that was played, merged over all processes: what `LoadTest.run` gives to the leading process.

    Attributes:
        name: The run's name, and the stem of its result file.
        metrics: The figures of the whole main phase, by the names of the result file
            (``total_requests``, ``error_rate_percent``, ``latency_ms`` ...).
        endpoints: The same figures for each endpoint, by its name.
        status_codes: How often each status was answered in the main phase, as ``{"200": 450}``.
        errors: Error kinds with their counts and first examples.
        resources: What was seen of the service, its pool and the generator; see `straingauge.observe`.
        users: The users this process played; user 0 is always among them. What a journey wrote
            into ``user.data`` is found here.
        result: The whole result as it will be written, without its verdict.
    """

    name: str
    metrics: Mapping[str, Any]
    endpoints: Mapping[str, Mapping[str, Any]]
    status_codes: Mapping[str, int]
    errors: Sequence[Mapping[str, Any]]
    resources: Mapping[str, Any]
    users: Sequence[User]
    result: Mapping[str, Any]


class LoadTest:
    """The `load` fixture: puts one load on the service, and has it judged."""

    @property
    def host(self) -> str:
        """The service's base address, such as ``http://localhost:8000``; starts the stand where nothing answers."""

    def users(self, account: Account | None, count: int, *, log_in: Journey | None = None) -> Users:
        """Describe `count` virtual users.

        Each has its own connections, ``user.data = dict(account(index))`` and ``user.index``. `log_in` is
        played once for each user before the load starts (phase "setup", not measured); a user that is logged
        in stays so for later tests in this session that name the same `account` and `log_in`. A log-in that
        fails ends the test with that error before any load is sent.

        Where all accounts are one and the same, the result notes what that costs.
        """

    def run(
        self,
        name: str,
        journey: Journey | Mix,
        schedule: Schedule,
        *,
        users: Users | int = 1,
        warm_up: Schedule | None = None,
        verify: Journey | None = None,
        configuration: Mapping[str, Any] | None = None,
        timeout_s: float = 30.0,
        processes: int | None = None,
    ) -> Run:
        """Put the load on the service, all processes together, and give back what was measured.

        In order: check the thresholds file, meet the other processes, log the users in, play `warm_up`, play
        `schedule`, play `verify`. Followers do not return from here; they leave the test.

        Args:
            name: Stem of the result file and name of the ``[test.NAME]`` table in thresholds.toml.
            journey: What each arrival plays; `straingauge.journey.mix` weighs several.
            schedule: When. `straingauge.schedule.waves` ends early once the percentiles hold,
                decided on the merged figures of all processes.
            users: Who; a number means that many users without accounts.
            warm_up: Played first and kept apart: in the result file, but not in the verdict.
            verify: Played once by each user after the load (phase "verify"): read back here what the
                service acknowledged, wait a Retry-After out. It may `Pause`. Each request that fails here
                (status, check, exception) is a critical finding with its detail.
            configuration: Shown in the result beside what is known of the schedule; no secrets.
            timeout_s: For requests that name none of their own.
            processes: At most so many processes share the load (default: all, up to the cores and users).

        Raises:
            UsageError: A wrong thresholds file, a second run in one test, no users.
            TargetError: Nothing answers at the address, a log-in failed.
        """

    def judge(self, run: Run, findings: Iterable[Finding] = ()) -> None:
        """Judge the run by thresholds.toml and by `findings`, and write its result file.

        Args:
            run: What `run` gave.
            findings: What the test itself found, such as
                ``Finding("first 429", "critical", "came at request 131, not 101")``; they are entries of the
                verdict like any threshold. Grades: target, acceptable, warning, critical.

        Raises:
            CriticalVerdict: A critical threshold was crossed, or data for a threshold is missing.
            InvalidRun: The run says nothing about the service (see ``validity`` in the result).
        """
