"""Messages between the processes of one load: pickled, over loopback, authenticated.

worker                              coordinator (in the controlling process)
Hello(name)                    ->   Welcome
GetTarget                      ->   Target | Aborted       the service's URL
Barrier(test, "join")          ->   Shard | Aborted        the process's share of the load
SetMetadata(test, metadata)                                from the leader
Barrier(test, "start")         ->   Proceed | Aborted      logged in; the start instant
Report ...                     ->   (StopAt, EndLoad, SetPace, Abort at any time) cumulative
Barrier(test, "load_end")      ->   Proceed | Aborted      all have ended; cooldown begins
Barrier(test, "cooldown_end")  ->   Proceed | Aborted      verification begins
Barrier(test, "finish")        ->   MergedReports (leader), Proceed (others)
Fail(test, error)                                          a log-in failed: no process starts
ResultSaved(test)                                          the reports need not be kept
Say(line)                                                  shown on the terminal
TestDone(test, error)          ->   ReporterRole           which process reports the test
Disconnect
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from straingauge.errors import StraingaugeError
from straingauge.http.settings import HttpSettings
from straingauge.target.started_service import StartedService
from straingauge.workers.reports import MergedReports, Report, RunMetadata

if TYPE_CHECKING:  # each pytest session loads this module, which must be cheap
    from straingauge.engine import Pace

Stage = Literal["join", "start", "load_end", "cooldown_end", "finish"]


class CoordinatorError(StraingaugeError):
    """The processes of one load lost their connection, or one of them could not start."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Hello:
    """A process has connected.

    Attributes:
        name: Its name.
        tests: The load tests it has collected.
    """

    name: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Welcome:
    """The process is connected."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A process is alive; one that is silent for too long counts as lost."""


@dataclass(frozen=True, slots=True)
class GetTarget:
    """A process asks for the service's URL.

    Attributes:
        test_file: The test's file, from which configuration is looked up.
        http: Settings of connections of the test's load, which come before that configuration.
    """

    test_file: Path
    http: HttpSettings = field(default_factory=HttpSettings)


@dataclass(frozen=True, slots=True)
class Target:
    """The service.

    Attributes:
        url: Its base URL.
        started: The service, if it was started here.
    """

    url: str
    started: StartedService | None = None


@dataclass(frozen=True, slots=True)
class Barrier:
    """A process has reached a stage of a load test and waits for the others.

    Attributes:
        test: The test's node id.
        stage: The stage.
        max_processes: Number of processes that may share the load (stage "join").
        report: What the process has measured so far.
    """

    test: str
    stage: Stage
    max_processes: int = 1
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class SetMetadata:
    """The leader sends the metadata of the run."""

    test: str
    metadata: RunMetadata


@dataclass(frozen=True, slots=True)
class Shard:
    """A process's share of a load.

    Attributes:
        index: Its number, from 0; None if the process has no share.
        count: Number of shares.
        idle: Number of processes without a share.
        is_restored: The service's database was restored, so that its users are logged out.
        load_id: Identifies the load on this machine; empty if no other process has a share.
    """

    index: int | None
    count: int
    idle: int = 0
    load_id: str = field(default="", compare=False)
    is_restored: bool = False

    @property
    def is_leader(self) -> bool:
        """True for the process that observes the service, judges and reports the test."""
        return self.index == 0


@dataclass(frozen=True, slots=True)
class Proceed:
    """All processes have reached the stage; go on at this instant of `time.monotonic_ns`."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class StopAt:
    """The percentiles are precise enough: start no further wave after this instant."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Aborted:
    """The load does not take place, or does not go on; a reply.

    Attributes:
        reason: Why.
        hint: What to try, if known.
    """

    reason: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class EndLoad:
    """The load ends now, and what was measured is judged; not a reply."""


@dataclass(frozen=True, slots=True)
class SetPace:
    """The user changes the running load; not a reply."""

    pace: "Pace"


@dataclass(frozen=True, slots=True)
class Abort:
    """The running load does not go on; not a reply."""


@dataclass(frozen=True, slots=True)
class Fail:
    """A process with a share cannot start; no process may."""

    test: str
    error: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class TestDone:
    """A process has finished a test.

    Attributes:
        test: The test's node id.
        error: How it failed, if it did.
    """

    test: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ReporterRole:
    """Says if the process reports the test; exactly one of all processes does."""

    reports: bool


@dataclass(frozen=True, slots=True)
class ResultSaved:
    """The leader has judged the load and saved its result."""

    test: str


@dataclass(frozen=True, slots=True)
class Say:
    """A process shows a line on the terminal."""

    line: str


@dataclass(frozen=True, slots=True)
class Disconnect:
    """A process's session has ended."""


FromWorker: TypeAlias = (
    Hello
    | Heartbeat
    | GetTarget
    | Barrier
    | SetMetadata
    | Report
    | Fail
    | TestDone
    | ResultSaved
    | Say
    | Disconnect
)
ToWorker: TypeAlias = (
    Welcome
    | Target
    | Shard
    | Proceed
    | StopAt
    | EndLoad
    | SetPace
    | Abort
    | Aborted
    | MergedReports
    | ReporterRole
)
