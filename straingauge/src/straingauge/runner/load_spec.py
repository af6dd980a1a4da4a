"""The specification of one load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from straingauge.engine import Connections, Load, ScenarioLoad, require_pool
from straingauge.http.settings import HttpSettings
from straingauge.http.traceparent import Sampling
from straingauge.journey import Journey, Mix, User, mix
from straingauge.journey.execution import require_journey
from straingauge.observe import COOLDOWN_S, MetricNames
from straingauge.result.format.names import require_name
from straingauge.runner.warmup import WarmUp, require_valid_warm_up
from straingauge.schedule import Parallel, Schedule, constant_users
from straingauge.verdict import Thresholds

DEFAULT_TIMEOUT_S = 30.0
MIN_SETUP_TIMEOUT_S = 180.0  # a log-in or a verification may have to wait out a Retry-After


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSpec:
    """One load, from log-in to verdict; the same in each process that shares it.

    Attributes:
        name: Name of the run; its result file is named after it.
        test: Node id of the test; the name again where there is no test.
        test_file: The file with the test or its journeys; configuration is looked up from here.
        journeys: The journeys, with their weights.
        schedule: When journeys start.
        users: All users; each process runs its own.
        max_processes: Number of processes that may share the load.
        log_in: Journey that each user runs once before the load, if any.
        warm_up: Runs before the load and is reported apart from it; see `WarmUp`.
        verify: Journey that each user runs once after the load, if any.
        tear_down: Journey that each user runs once at the end, to remove what it has created.
        cooldown_s: How long the service is observed after the load.
        timeout_s: Timeout of requests without a `timeout_s`.
        connections: One per user, one per journey, or a shared pool; see `engine.Load`.
        max_connections: Size of a shared pool, over all processes.
        allowed_hosts: Hosts other than this machine that may be put under load.
        http: Settings of connections to the service.
        metric_names: Names of the service's metrics.
        database_url: The service's database; by default the one of the service that was started,
            then ``DATABASE_URL``.
        traceparent: Send the header `traceparent` with each request.
        trace_prefix: First half of the trace ids of a load whose spans are received; then a request
            in 100 ms of each process has the sampled flag. None: no request is sampled.
        sampling: Single requests that are kept for exports.
        explain: Trace requests to a second instance after the load; None does so after a warning
            or a critical verdict. See `ExplainPass`.
        memory_probe: Find the lines whose memory or threads grow, after the load; None does so
            after a run with a likely leak of either. See `MemoryPass`.
        plans: Read the plans of slow statements after a run that missed its thresholds.
        server_pid: Parent process of the service, if it cannot be found by its port.
        profile: Profile the service's Python processes during the load; by default those of a
            service that was started for it, with running code sampled in loads of 10 s or more.
        thresholds: Thresholds that the result is judged by.
        thresholds_file: Their file; None if there is none.
        results_dir: Folder of the result file.
        required_endpoints: Endpoints that must have been called.
        is_controlled: A user may change the load while it runs.
        abort_dead_s: End the load after this time without any response; None for no such end.
        scenarios: Scenarios that run at once, in place of `journeys` and `schedule`, which then are
            those of all scenarios; see `load_parts`.
        configuration: Shown in the result in addition to the above; no secrets.
    """

    name: str
    test: str
    test_file: Path
    journeys: Mix
    schedule: Schedule | Parallel
    users: Sequence[User]
    max_processes: int = 1
    log_in: Journey | None = None
    warm_up: WarmUp = None
    verify: Journey | None = None
    tear_down: Journey | None = None
    cooldown_s: float = COOLDOWN_S
    timeout_s: float = DEFAULT_TIMEOUT_S
    connections: Connections = "per-user"
    max_connections: int | None = None
    allowed_hosts: frozenset[str] = frozenset()
    http: HttpSettings = field(default_factory=HttpSettings)
    metric_names: MetricNames = field(default_factory=MetricNames)
    database_url: str | None = field(default=None, repr=False)  # it holds a password
    plans: bool = True
    memory_probe: bool | None = None
    server_pid: int | None = None
    traceparent: bool = True
    trace_prefix: str | None = None
    sampling: Sampling = "none"
    profile: bool | None = None
    explain: bool | None = None
    thresholds: Thresholds = field(default_factory=lambda: Thresholds.read(None))
    thresholds_file: Path | None = None
    results_dir: Path = Path("results")
    required_endpoints: tuple[str, ...] = ()
    abort_dead_s: float | None = None
    scenarios: tuple[ScenarioLoad, ...] = ()
    is_controlled: bool = False
    configuration: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_name(self.name)
        require_pool(self.connections, self.max_connections)
        require_valid_warm_up(self.warm_up, self.schedule)
        for role, journey in (
            ("log_in", self.log_in),
            ("verify", self.verify),
            ("tear_down", self.tear_down),
        ):
            if journey is not None:
                require_journey(journey, role)

    def load(
        self, url: str, *, schedule: Schedule | None = None, journeys: Mix | None = None
    ) -> Load:
        """Return the engine's part: the journeys of all users against a service.

        Args:
            url: Base URL of the service.
            schedule: The schedule, if not the specification's own.
            journeys: The journeys, likewise.
        """
        own = self.scenarios[0].schedule if isinstance(self.schedule, Parallel) else self.schedule
        return Load(
            url,
            schedule or own,
            journeys or self.journeys,
            self.users,
            scenarios=() if schedule or journeys else self.scenarios,
            timeout_s=self.timeout_s,
            connections=self.connections,
            max_connections=self.max_connections,
            allowed_hosts=self.allowed_hosts,
            http=self.http,
        )

    def single_run(
        self, url: str, journey: Journey, users: Sequence[User], *, timeout_s: float | None = None
    ) -> Load:
        """Return a load in which each of these users runs a journey once, as a log-in does.

        Args:
            url: Base URL of the service.
            journey: The journey.
            users: At least one user.
            timeout_s: Timeout of requests without a `timeout_s`; by default the
                specification's, but at least `MIN_SETUP_TIMEOUT_S`.
        """
        return Load(
            url,
            constant_users(count=len(users), iterations=1),
            mix(journey),
            users,
            timeout_s=timeout_s or max(self.timeout_s, MIN_SETUP_TIMEOUT_S),
            allowed_hosts=self.allowed_hosts,
            http=self.http,
        )


def as_mix(journey: Journey | Mix) -> Mix:
    """Return a mix of one for a single journey, a mix unchanged."""
    return journey if isinstance(journey, Mix) else mix(journey)
