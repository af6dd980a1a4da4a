"""What the user asked for, and the order it comes to; the same in each process."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from straingauge.cli.scenario import Scenario, from_file, from_paths
from straingauge.engine import Connections
from straingauge.errors import UsageError
from straingauge.journey import User
from straingauge.journey.execution import journey_name
from straingauge.runner import outcome
from straingauge.runner.load_runner import LoadOrder
from straingauge.schedule import Schedule, constant, constant_users, poisson
from straingauge.target.service_locator import metric_names_for
from straingauge.verdict import Thresholds

USERS = 10
MOST_USERS = 1_000  # unless more are asked for
_NAME = re.compile(r"[\w.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of `straingauge run`, by their names; times in seconds."""

    file: Path | None = None
    gets: tuple[str, ...] = ()
    journeys: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    users: int | None = None
    think: tuple[float, float] | None = None
    rate: float | None = None
    poisson: bool = False
    duration: float = 10.0
    warmup: float | Literal["detect"] | None = None
    timeout: float = 30.0
    connections: Connections = "per-user"
    max_connections: int | None = None
    allow_hosts: tuple[str, ...] = ()
    database_url: str | None = field(default=None, repr=False)  # it holds a password
    server_pid: int | None = None
    thresholds: Path | None = None
    results: Path | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if (self.file is None) == (not self.gets):
            raise UsageError(
                "name a file with journeys, or paths by --get PATH",
                hint="straingauge run journeys.py, or straingauge run --get /health",
            )
        if self.gets and (self.journeys or self.tags):
            raise UsageError("--journey and --tags pick from a FILE; there is none")
        if self.rate is None and self.poisson:
            raise UsageError("--poisson makes a rate random", hint="add --rate R")
        if self.rate is not None and self.think is not None:
            raise UsageError("--think is for users that come again (--users); a --rate has none")
        if not _NAME.fullmatch(self.run_name):
            raise UsageError(
                f"--name {self.run_name!r}: it names a file: letters, digits, . _ and - only"
            )

    @property
    def run_name(self) -> str:
        """The run's name, and the stem of its result file."""
        return self.name or (self.file.stem if self.file else "get")

    @property
    def near(self) -> Path:
        """Where to look for what belongs to the run."""
        return (self.file or Path("get")).resolve()

    @property
    def results_folder(self) -> Path:
        """Folder of the result file."""
        return (self.results or self.near.with_name("results")).resolve()

    @property
    def crowd(self) -> int:
        """How many users: at a rate, as many as may be busy at once with answers of a second."""
        if self.users is not None or self.rate is None:
            return USERS if self.users is None else self.users
        return min(max(math.ceil(self.rate), USERS), MOST_USERS)

    def schedule(self, duration_s: float) -> Schedule:
        """When, for so long; raises UsageError."""
        if self.rate is None:
            return constant_users(
                count=self.crowd, duration_s=duration_s, think_s=self.think or 0.0
            )
        arrivals = poisson if self.poisson else constant
        return arrivals(rate_per_s=self.rate, duration_s=duration_s)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run before anything is sent, as each of its processes prepares it.

    Attributes:
        settings: What the user asked for.
        order: What is to be played.
        thresholds: What is demanded.
    """

    settings: RunOptions
    order: LoadOrder
    thresholds: Thresholds

    def plan(self, url: str) -> dict[str, Any]:
        """What a result needs besides the figures."""
        settings, journeys = self.settings, self.order.journeys
        weights = {journey_name(each): weight for each, weight in journeys.weights}
        return outcome.run_metadata(
            self.order,
            url,
            name=settings.run_name,
            thresholds=self.thresholds,
            results=settings.results_folder,
            configuration={
                "file": settings.file.name if settings.file else None,
                "journeys": weights,
            },
        )


def prepare(settings: RunOptions) -> Prepared:
    """Read all files and check all figures.

    Raises:
        UsageError: One of them makes no sense.
    """
    found = (
        from_paths(settings.gets)
        if settings.file is None
        else from_file(settings.file, settings.journeys, settings.tags)
    )
    schedule = settings.schedule(settings.duration)
    order = LoadOrder(
        test=settings.run_name,
        near=str(settings.near),
        at_most=settings.crowd,
        journeys=found.journeys,
        schedule=schedule,
        crowd=[User(index, _data(found, index)) for index in range(settings.crowd)],
        log_in=found.log_in,
        warm_up=(
            settings.schedule(settings.warmup)
            if isinstance(settings.warmup, float)
            else settings.warmup
        ),
        verify=found.verify,
        timeout_s=settings.timeout,
        connections=settings.connections,
        max_connections=settings.max_connections,
        allowed_hosts=frozenset(settings.allow_hosts),
        names=metric_names_for(settings.near),
        database_url=settings.database_url,
        server_pid=settings.server_pid,
    )
    return Prepared(settings, order, _demands(settings, found))


def _data(found: Scenario, index: int) -> dict[str, Any]:
    """What user `index` starts with."""
    if found.account is None:
        return {}
    try:
        return dict(found.account(index))
    except Exception as error:
        raise UsageError(f"account({index}) failed: {type(error).__name__}: {error}") from error


def _demands(settings: RunOptions, found: Scenario) -> Thresholds:
    """What is demanded: by the file that was named, else by the one beside the journeys."""
    beside = settings.near.with_name("thresholds.toml")
    if settings.thresholds is None and (settings.file is None or not beside.exists()):
        return Thresholds.parse({}, source="no thresholds")
    demanded = Thresholds.read(settings.thresholds or beside)
    # Other tests may be judged by the same file, so that only endpoints can be checked.
    demanded.check_names(tests=(), endpoints=found.endpoints)
    return demanded
