"""What the processes of one load tell each other: pickled, over loopback, behind a secret.

worker                          rendezvous (in the controller)
Hello(name)                ->   Welcome
Ask                        ->   Address | Broken              the service's address
Meet(test, "join")         ->   Seat | Broken                 who takes part, and which share
Meet(test, "ready")        ->   Go(at_ns) | Broken            logged in; the start instant
Report ...                 ->   (Halt, CalledOff at any time) cumulative: a lost one loses nothing
Meet(test, "played")       ->   Go(at_ns) | Broken            all have ended; the leader looks on
Meet(test, "rested")       ->   Go(at_ns) | Broken            the service was left alone; read back
Meet(test, "end")          ->   Merged (leader), Go (others)
Fail(test, error)                                             a log-in failed: nobody shall begin
Judged(test)                                                  the result needs no keeping here
Left(test, error)          ->   Part                          who of all reports the test
Bye
"""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from straingauge.errors import StraingaugeError

Stage = Literal["join", "ready", "played", "rested", "end"]


class CoordinatorError(StraingaugeError):
    """The processes of one load lost each other, or one of them could not begin."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Hello:
    """A process has collected load tests."""

    name: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Welcome:
    """The rendezvous knows of it."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A process did something; who is silent for too long is given up."""


@dataclass(frozen=True, slots=True)
class GetTarget:
    """Where is the service? `near`: the file of the test that asks."""

    near: str


@dataclass(frozen=True, slots=True)
class Target:
    """There.

    Attributes:
        url: The service.
        database_url: Its database, where the stand that was started knows it.
    """

    url: str
    database_url: str | None = field(default=None, repr=False)  # it holds a password


@dataclass(frozen=True, slots=True)
class Report:
    """All that one process has measured since it began; the next one replaces it.

    Attributes:
        process: Its name.
        at_ns: When (monotonic).
        requests: How many samples are in it.
        record: `Record.to_bytes` of all phases.
        extra: What else the composer of the result needs of this process (picklable).
    """

    process: str
    at_ns: int
    requests: int
    record: bytes
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Barrier:
    """A process has come to `stage` of a load test and waits for the others.

    Attributes:
        test: The test's node id.
        stage: Where.
        at_most: Processes that may share this load (stage "join").
        report: Its figures at this stage.
    """

    test: str
    stage: Stage
    at_most: int = 1
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The leader says what a result needs besides the figures, lest it dies with it."""

    test: str
    plan: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shard:
    """A process's part in a load: share `index` of `of`; index None: none."""

    index: int | None
    of: int
    idle: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process collects, judges and reports."""
        return self.index == 0


@dataclass(frozen=True, slots=True)
class Proceed:
    """All have come; go on at this instant (monotonic)."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class StopAt:
    """The figures hold: begin no further wave from this instant on (monotonic)."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Aborted:
    """This load will not take place or not go on.

    Attributes:
        reason: For whoever reports it.
        hint: What to try, where that is known.
    """

    reason: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Abort:
    """The load that is being played here will not go on; not an answer to anything."""


@dataclass(frozen=True, slots=True)
class LostProcess:
    """A process that went away while it had a share."""

    process: str
    reason: str
    samples_at_most: int


@dataclass(frozen=True, slots=True)
class MergedReports:
    """What all processes together have measured, as last reported.

    Attributes:
        reports: Of each process that had a share, the lost ones too.
        lost: Processes that went away.
        idle: Processes without a share.
        plan: What the leader said a result needs besides the figures.
        broken: Why the load ended before its time.
        start_ns: When the load itself begins or began (monotonic); None: not yet known.
        over: Whether the load itself is over, and only what comes after it goes on.
    """

    reports: tuple[Report, ...]
    lost: tuple[LostProcess, ...] = ()
    idle: int = 0
    plan: dict[str, Any] | None = None
    broken: str | None = None
    start_ns: int | None = None
    over: bool = False


@dataclass(frozen=True, slots=True)
class Fail:
    """A process with a share cannot begin: nobody shall."""

    test: str
    error: str


@dataclass(frozen=True, slots=True)
class TestDone:
    """A process is done with a test; `error`: how it failed, if it did."""

    test: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ReporterRole:
    """Whether that process is the one to report the test: exactly one of all does."""

    reports: bool


@dataclass(frozen=True, slots=True)
class ResultSaved:
    """The leader has judged the load and sees to it that the result is not forgotten."""

    test: str


@dataclass(frozen=True, slots=True)
class Disconnect:
    """A process's session is over."""


FromWorker: TypeAlias = (
    Hello
    | Heartbeat
    | GetTarget
    | Barrier
    | Plan
    | Report
    | Fail
    | TestDone
    | ResultSaved
    | Disconnect
)
ToWorker: TypeAlias = (
    Welcome | Target | Shard | Proceed | StopAt | Abort | Aborted | MergedReports | ReporterRole
)
