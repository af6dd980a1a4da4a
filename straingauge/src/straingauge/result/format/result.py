"""A result and a session summary as types; the JSON Schemas in `schemas` describe each field."""

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict

from straingauge.result.format.exceptions import RaisedException
from straingauge.result.format.memory import MemoryGrowth
from straingauge.result.format.metrics import (
    EndpointMetrics,
    Errors,
    Interval,
    Metrics,
    PhaseMetrics,
    ScenarioMetrics,
    TagMetrics,
    TransactionMetrics,
)
from straingauge.result.format.plans import Plans
from straingauge.result.format.profile import Profile
from straingauge.result.format.resources import Resources
from straingauge.result.format.traces import Traces

Grade = Literal["target", "acceptable", "warning", "critical", "no_data"]
"""The grade of a finding, from best to worst."""

RunGrade = Literal[
    "target", "acceptable", "not_judged", "warning", "critical", "no_data", "invalid"
]
"""The grade of a run, from best to worst; "not_judged" if nothing was demanded of its speed."""


class MachineDict(TypedDict):
    """The machine of the generator.

    Attributes:
        usable_cpus: CPUs that it may use, by its affinity and the quota of its control group.
    """

    system: str
    architecture: str
    cpu: str
    cpu_count: int | None
    usable_cpus: NotRequired[int]
    memory_mb: float


class Commit(TypedDict):
    """A commit, and whether files differ from it."""

    id: str
    modified: bool


class Environment(TypedDict, total=False):
    """Properties that two results should have in common to be compared."""

    machine: MachineDict
    python: str
    packages: dict[str, str]
    commit: Commit | None


class ReasonDict(TypedDict):
    """A reason why a run is invalid, or a note on its validity."""

    reason: str
    severity: Literal["invalid", "note"]
    message: str
    advice: str


class ValidityDict(TypedDict):
    """The validity of a run, with its reasons."""

    valid: bool
    reasons: list[ReasonDict]


class ThresholdDict(TypedDict):
    """The limits of one metric."""

    target: float
    warning: float
    critical: float
    higher_is_better: bool


class FindingDict(TypedDict):
    """One entry of a verdict."""

    rule: str
    grade: Grade
    message: str
    endpoint: str
    value: float | None
    threshold: ThresholdDict | None
    cause: str | None


class VerdictDict(TypedDict):
    """The grade of a run, and the findings behind it."""

    grade: RunGrade
    findings: list[FindingDict]


class LocationDict(TypedDict):
    """A place that a cause points to; the other fields depend on its kind."""

    kind: Literal["code", "statement", "call", "process"]
    file: NotRequired[str]
    line: NotRequired[int]
    function: NotRequired[str | None]
    statement: NotRequired[str | None]
    endpoint: NotRequired[str | None]
    table: NotRequired[str | None]
    index: NotRequired[str | None]
    lock: NotRequired[Literal["holds", "waits"] | None]
    host: NotRequired[str]
    process: NotRequired[str]
    pid: NotRequired[int | None]
    resource: NotRequired[str | None]


class CauseDict(TypedDict):
    """One explanation of what was found."""

    cause: str
    title: str
    confidence: float
    evidence: list[str]
    advice: list[str]
    where: NotRequired[list[LocationDict]]


class Feeder(TypedDict):
    """Use of a data feeder in all processes."""

    rows: int
    rows_used: int
    uses: int
    order: str
    on_end: str
    delimiter: str | None
    ended: bool


class Export(TypedDict):
    """An export of the seconds of a load, and why it ended before the load; null if it did not."""

    to: str
    seconds: int
    failure: str | None


class EndedEarly(TypedDict):
    """The end of a load before that of its schedule, and what was cut off."""

    by: Literal["threshold", "dead_service", "user"]
    message: str
    rule: str
    endpoint: str
    at_s: float
    planned_s: float | None
    requests_cut: int


class PlannedScenario(TypedDict):
    """A scenario in the configuration of a result."""

    name: str
    journeys: dict[str, int]
    users: int
    start_s: float
    duration_s: float | None
    is_open: bool
    tags: list[str]


class FollowUpSections(TypedDict, total=False):
    """Sections that are added to a result after its load."""

    plans: Plans
    memory: MemoryGrowth
    traces: Traces
    exports: list[Export]


class Measurements(TypedDict):
    """A result before it is judged."""

    schema_version: Literal[1]
    name: str
    started_at: str
    load_started_at: NotRequired[str]
    configuration: Mapping[str, Any]
    environment: Environment
    metrics: Metrics
    endpoints: dict[str, EndpointMetrics]
    transactions: NotRequired[dict[str, TransactionMetrics]]
    scenarios: NotRequired[dict[str, ScenarioMetrics]]
    tags: NotRequired[dict[str, TagMetrics]]
    intervals: list[Interval]
    status_codes: dict[str, int]
    errors: Errors
    phases: dict[str, PhaseMetrics]
    resources: Resources
    plans: NotRequired[Plans]
    memory: NotRequired[MemoryGrowth]
    profile: NotRequired[Profile]
    exceptions: NotRequired[list[RaisedException]]
    feeders: NotRequired[dict[str, Feeder]]
    exports: NotRequired[list[Export]]
    validity: ValidityDict
    ended_early: NotRequired[EndedEarly]
    traces: NotRequired[Traces]


class Result(Measurements):
    """The result of a run."""

    verdict: VerdictDict
    diagnosis: list[CauseDict]


class SessionCause(CauseDict):
    """A cause, and the tests that show it."""

    tests: list[str]


class FirstFailure(TypedDict):
    """The finding that failed first, `at_s` after the start of its run."""

    test: str
    message: str
    at_s: float | None


class TestMetrics(TypedDict):
    """The main metrics of one test."""

    total_requests: int
    duration_s: float
    throughput_rps: float
    error_rate_percent: float
    rate_limited: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class SessionTest(TypedDict):
    """One test of a session."""

    name: str
    started_at: str
    grade: RunGrade
    reasons: list[str]
    metrics: TestMetrics
    file: str | None


class Session(TypedDict):
    """The summary of several load tests."""

    session_version: Literal[1]
    started_at: str
    grade: RunGrade
    environment: Environment
    tests: list[SessionTest]
    first_failure: FirstFailure | None
    diagnosis: list[SessionCause]
