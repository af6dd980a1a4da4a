"""Reports of the processes of one load, and the metadata of the run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # each pytest session loads this module, which must be cheap
    from straingauge.engine import EngineStats
    from straingauge.feeders import FeederUse
    from straingauge.observe import Observations
    from straingauge.recording.request_samples import RequestSample
    from straingauge.result.format.exceptions import RaisedException
    from straingauge.result.format.profile import Profile
    from straingauge.result.format.result import Environment


def _no_environment() -> "Environment":
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMetadata:
    """Everything a result needs apart from the measurements.

    The leading process sends it before the load starts, so that a result can be made even if that
    process dies.

    Attributes:
        name: Name of the run; its result file is named after it.
        test: Node id of the test, or the run's name again.
        description: The load in one line: journeys, target, users and duration.
        started_at: Local start time, ISO 8601.
        started_ns: That instant of `time.monotonic_ns`; None if it is not known.
        configuration: The load as the result file shows it; no secrets.
        environment: The machine and its software; see `straingauge.result.assembly.environment`.
        users: Number of users that log in; 0 if none does.
        duration_s: Duration by the schedule; None if unknown.
        cooldown_s: Duration of the cooldown after the load.
        verify: Name of the journey that runs after it; empty if there is none.
        min_requests: Requests after which the load may stop early; None if it may not.
        thresholds_file: The threshold file; None if there is none.
        results_dir: Folder of the result file.
        required_endpoints: Endpoints that must have been called.
        percentiles: Percentiles of the response time that its thresholds need, such as "p99.9".
        abort_dead_s: The load ends after this time without any response; None for no such end.
    """

    name: str
    started_at: str
    started_ns: int | None = None
    test: str = ""
    description: str = ""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    environment: "Environment" = field(default_factory=_no_environment)
    users: int = 0
    duration_s: float | None = None
    cooldown_s: float = 0.0
    verify: str = ""
    min_requests: int | None = None
    thresholds_file: Path | None = None
    results_dir: Path = Path("results")
    required_endpoints: tuple[str, ...] = ()
    percentiles: tuple[str, ...] = ()
    abort_dead_s: float | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a load before that of its schedule.

    Attributes:
        by: "threshold", "dead_service", or "user" (by the control endpoint).
        message: Why, in words.
        at_s: Seconds after the start of the load.
        rule: The metric that was critical; empty by a user.
        endpoint: The endpoint it was measured at; empty for the whole run.
    """

    by: Literal["threshold", "dead_service", "user"]
    message: str
    at_s: float
    rule: str = ""
    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Arrivals of one process in the main phase, so far.

    Attributes:
        started: Journeys that were started.
        due: These, those that wait for a free user, and those that were dropped.
        busy: Users that run a journey at the moment.
    """

    started: int = 0
    due: int = 0
    busy: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one process has measured since it started; each report replaces the last.

    Attributes:
        process: Name of the process.
        at_ns: Instant of `time.monotonic_ns`.
        requests: Number of requests in the main phase.
        record: `Record.to_bytes` of all phases.
        engines: Statistics of the engine, by phase.
        observations: Samples of the service and its database, from the process that observes them.
        credentials: Fingerprints of the users' Authorization headers.
        profile: The profile of the service, from the process that observes it, after the load.
        exceptions: Those in the service's log, from the process that observes it, after the load.
        feeders: Use of the data feeders.
        arrivals: Arrivals of the main phase so far.
        samples: The latest single requests, if they are exported.
    """

    process: str
    at_ns: int
    requests: int
    record: bytes
    engines: "Mapping[str, EngineStats]" = field(default_factory=dict)
    observations: "Observations | None" = None
    credentials: frozenset[str] = frozenset()
    profile: "Profile | None" = None
    exceptions: "tuple[RaisedException, ...]" = ()
    feeders: "tuple[FeederUse, ...]" = ()
    arrivals: Arrivals = field(default_factory=Arrivals)
    samples: "tuple[RequestSample, ...]" = ()


@dataclass(frozen=True, slots=True)
class LostProcess:
    """A process that disappeared while it had a share of the load.

    Attributes:
        process: Its name.
        reason: Why it counts as lost.
        samples_estimate: Requests after its last report, at the highest rate of any process.
    """

    process: str
    reason: str
    samples_estimate: int


@dataclass(frozen=True, slots=True)
class MergedReports:
    """The last reports of all processes of one load.

    Attributes:
        reports: One for each process with a share, including lost ones.
        lost: Processes that disappeared.
        idle: Number of processes without a share.
        metadata: Metadata of the run; None until the leader has sent it.
        abort_reason: Why the load ended early; None if it did not.
        start_ns: Start of the main phase, an instant of `time.monotonic_ns`; None if not known yet.
        load_end_ns: End of the main phase in all processes, likewise; None while it runs.
        ending: Why the load ended before its schedule did; None if it did not.
        changes: What the user changed while it ran, in words.
        abort_hint: What to do about the reason, if known.
    """

    reports: tuple[Report, ...]
    lost: tuple[LostProcess, ...] = ()
    idle: int = 0
    metadata: RunMetadata | None = None
    abort_reason: str | None = None
    start_ns: int | None = None
    load_end_ns: int | None = None
    ending: Ending | None = None
    changes: tuple[str, ...] = ()
    abort_hint: str | None = None
