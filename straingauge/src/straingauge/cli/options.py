"""Options of `straingauge run`, and the load they specify; the same in each process."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from straingauge.cli.journey_file import JourneyFile, from_file, from_paths
from straingauge.cli.scenario_file import from_scenario_file
from straingauge.cpus import usable_cpus
from straingauge.engine import Connections, require_open_files
from straingauge.errors import StraingaugeError, UsageError
from straingauge.http.settings import HttpSettings
from straingauge.http.traceparent import Sampling
from straingauge.journey import User
from straingauge.journey.execution import journey_name
from straingauge.result.format.names import require_name
from straingauge.result.format.write import require_writable
from straingauge.runner import DEFAULT_TIMEOUT_S, LoadSpec, load_parts
from straingauge.schedule import RampingRate, Schedule, Stage, constant, constant_users, poisson
from straingauge.schedule.stages import schedule_of
from straingauge.target.service_locator import http_settings_for, metric_names_for
from straingauge.verdict import Thresholds, thresholds_file

DEFAULT_USERS = 10
DEFAULT_DURATION_S = 10.0
MAX_DEFAULT_USERS = 1_000  # at a high rate, unless --users says otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Options of `straingauge run`, by their names; times in seconds."""

    file: Path | None = None
    gets: tuple[str, ...] = ()
    journeys: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    users: int | None = None
    think: tuple[float, float] | None = None
    rate: float | None = None
    poisson: bool = False
    stages: tuple[Stage, ...] = ()
    duration: float | None = None
    warmup: float | Literal["detect"] | None = None
    default_timeout_s: float = DEFAULT_TIMEOUT_S
    default_users: int = DEFAULT_USERS
    load_set_by: str | None = None  # the command that sets the load, so that scenarios cannot
    connections: Connections = "per-user"
    max_connections: int | None = None
    allow_hosts: tuple[str, ...] = ()
    database_url: str | None = field(default=None, repr=False)  # it holds a password
    plans: bool = True
    memory_probe: bool | None = None
    traceparent: bool = True
    explain: bool | None = None
    otlp_port: int | None = None
    trace_prefix: str | None = None
    server_pid: int | None = None
    profile: bool | None = None
    thresholds: Path | None = None
    abort_dead: float | None = None
    live: int | None = None
    control: int | None = None
    exports: tuple[str, ...] = ()
    results: Path | None = None
    name: str | None = None
    http: HttpSettings = field(default_factory=HttpSettings)

    def __post_init__(self) -> None:
        if self.file is not None and self.gets:
            raise UsageError(
                f"{self.file} and --get {self.gets[0]}: a file with journeys or paths, not both",
                hint="leave out FILE or --get",
            )
        if self.file is not None and self.file.is_dir():
            raise UsageError(
                f"{self.file} is a folder", hint=f"name a file in it: {self.file / 'journeys.py'}"
            )
        if self.file is None and not self.gets:
            raise UsageError(
                "name a file with journeys, or paths with --get PATH",
                hint="straingauge run journeys.py, or straingauge run --get /health",
            )
        if self.gets and (self.journeys or self.tags):
            raise UsageError("--journey and --tags select journeys of FILE; there is no FILE")
        if self.stages:
            self._require_stages_alone()
        if self.rate is None and self.poisson:
            raise UsageError("--poisson needs a rate", hint="add --rate R")
        if self.rate is not None and self.think is not None:
            raise UsageError("--think applies to --users; journeys at a --rate have no think time")
        require_name(self.run_name)

    def _require_stages_alone(self) -> None:
        """Check that no other option contradicts the stages, and the stages each other."""
        others = {"rate": "--rate", "duration": "--duration", "warmup": "--warmup"}
        for name, option in others.items():
            if getattr(self, name) is not None:
                raise UsageError(
                    f"--stage and {option}: the stages say how the load changes, and how long",
                    hint=f"leave out {option}; --stage 0s:50 starts at 50",
                )
        is_rate = isinstance(schedule_of(self.stages), RampingRate)
        if is_rate and self.think is not None:
            raise UsageError("--think applies to users; journeys at a rate have no think time")
        if self.users is not None and not is_rate:
            raise UsageError(
                "--stage and --users both set the number of users",
                hint=f"leave out --users; --stage 0s:{self.users} starts with {self.users}",
            )

    @property
    def peak_per_s(self) -> float | None:
        """Highest arrival rate; None in the closed model."""
        if self.stages and self.stages[0].is_rate:
            return max(stage.target for stage in self.stages)
        return self.rate

    @property
    def run_name(self) -> str:
        """Name of the run; its result file is named after it."""
        if self.name is not None:
            return self.name
        return self.file.stem if self.file else "get"

    @property
    def http_settings(self) -> HttpSettings:
        """Settings of connections: options, then ``[http]``; raises UsageError."""
        return self.http.over(http_settings_for(self.test_file))

    @property
    def timeout_s(self) -> float:
        """Timeout of a request without its own."""
        return self.http_settings.timeout_s or self.default_timeout_s

    @property
    def test_file(self) -> Path:
        """The file from which configuration is looked up; need not exist."""
        return (self.file or Path("get")).resolve()

    @property
    def results_dir(self) -> Path:
        """Folder of the result file."""
        return (self.results or self.test_file.with_name("results")).resolve()

    @property
    def user_count(self) -> int:
        """Number of users; at a rate, as many as are busy at once with responses of a second."""
        if self.users is not None:
            return self.users
        if self.peak_per_s is not None:
            return min(max(math.ceil(self.peak_per_s), self.default_users), MAX_DEFAULT_USERS)
        return int(max((stage.target for stage in self.stages), default=self.default_users))

    def schedule(self, duration_s: float | None = None) -> Schedule:
        """Return the schedule of the load, or of another duration; raises UsageError."""
        if self.stages:
            return schedule_of(self.stages, think_s=self.think or 0.0)
        duration_s = duration_s or self.duration or DEFAULT_DURATION_S
        if self.rate is None:
            return constant_users(
                count=self.user_count, duration_s=duration_s, think_s=self.think or 0.0
            )
        arrivals = poisson if self.poisson else constant
        return arrivals(rate_per_s=self.rate, duration_s=duration_s)

    @property
    def preparation_s(self) -> float:
        """Further time that each process may take before the load, in seconds."""
        return 0.0

    def content(self) -> JourneyFile:
        """Return the journeys or scenarios of the load; raises UsageError."""
        return _content(self)

    def described(self, content: JourneyFile) -> Mapping[str, Any]:
        """Return what the result says of the journeys."""
        return {
            "file": self.file.name if self.file else None,
            "journeys": {journey_name(each): weight for each, weight in content.journeys.weights},
        }

    def require_resources(self, processes: int = 1) -> None:
        """Check that this machine can send the load and keep its result, before it is prepared.

        Args:
            processes: Number of processes that the user asks for.

        Raises:
            UsageError: Too few files may be open for the connections of one process.
            WriteError: Results cannot be written.
        """
        connections = self.max_connections or self.user_count
        require_open_files(math.ceil(connections / min(processes, self.user_count, usable_cpus())))
        require_writable(self.results_dir)


def load_spec(options: RunOptions) -> LoadSpec:
    """Read all files, and make the specification of the load.

    Raises:
        UsageError: A file or a value is invalid.
    """
    content = options.content()
    warm_up = options.warmup
    http = options.http_settings
    thresholds_file = _thresholds_file(options)
    parts = load_parts(
        content.scenarios or content.journeys,
        None if content.scenarios else options.schedule(),
        options.user_count,
        lambda count: [User(index, _data(content, index), http) for index in range(count)],
    )
    return LoadSpec(
        name=options.run_name,
        test=options.run_name,
        test_file=options.test_file,
        **parts,
        log_in=content.log_in,
        warm_up=options.schedule(warm_up) if isinstance(warm_up, float) else warm_up,
        verify=content.verify,
        tear_down=content.tear_down,
        timeout_s=options.timeout_s,
        connections=options.connections,
        max_connections=options.max_connections,
        allowed_hosts=frozenset(options.allow_hosts),
        http=http,
        metric_names=metric_names_for(options.test_file),
        database_url=options.database_url,
        plans=options.plans,
        memory_probe=options.memory_probe,
        traceparent=options.traceparent,
        explain=options.explain,
        trace_prefix=options.trace_prefix,
        sampling=_sampling(options.exports),
        server_pid=options.server_pid,
        profile=options.profile,
        thresholds=_thresholds(thresholds_file, content),
        thresholds_file=thresholds_file,
        abort_dead_s=options.abort_dead,
        is_controlled=options.control is not None,
        results_dir=options.results_dir,
        configuration=options.described(content),
    )


def _sampling(exports: Sequence[str]) -> Sampling:
    if not exports:
        return "none"
    from straingauge.exports import sampling_for  # imports what only exports need

    return sampling_for(exports)


def _content(options: RunOptions) -> JourneyFile:
    """Read the journeys or scenarios of a load.

    Raises:
        UsageError: A file is invalid, or an option contradicts the scenarios in it.
    """
    if options.file is None:
        return from_paths(options.gets)
    if options.file.suffix == ".toml":
        _require_load_open(options)
        if options.journeys or options.tags:
            raise UsageError("--journey and --tags select journeys of a Python file")
        content = from_scenario_file(options.file, options)
    else:
        content = from_file(options.file, options.journeys, options.tags)
        if content.scenarios:
            _require_load_open(options)
            _require_no_schedule(options)
    if content.scenarios and options.warmup is not None:
        raise UsageError(
            "--warmup is not for scenarios, whose users have different journeys",
            hint="leave out --warmup",
        )
    return content


def _require_load_open(options: RunOptions) -> None:
    """Refuse scenarios in a command that sets the load itself.

    Raises:
        UsageError: This is one.
    """
    if options.load_set_by is not None:
        raise UsageError(
            f"straingauge {options.load_set_by} sets the load itself; scenarios are for"
            " straingauge run",
            hint="name a Python file, and select journeys with --journey",
        )


def _require_no_schedule(options: RunOptions) -> None:
    names = {"users": "--users", "rate": "--rate", "duration": "--duration", "think": "--think"}
    given = [option for name, option in names.items() if getattr(options, name) is not None]
    for option in [*given, *(["--stage"] if options.stages else [])]:
        raise UsageError(
            f"{option}: the scenarios of {options.file} have their own schedules",
            hint=f"leave out {option}, or select journeys with --journey",
        )


def _data(content: JourneyFile, index: int) -> dict[str, Any]:
    """Return the data of a user, by the `account` function."""
    if content.account is None:
        return {}
    try:
        return dict(content.account(index))
    except StraingaugeError:
        raise
    except Exception as error:
        raise UsageError(f"account({index}) failed: {type(error).__name__}: {error}") from error


def _thresholds_file(options: RunOptions) -> Path | None:
    """Return the named threshold file, or the one next to FILE; None if there is none."""
    if options.thresholds is None and options.file is None:
        return None
    file = thresholds_file(options.thresholds, options.test_file)
    return file.resolve() if file else None


def _thresholds(file: Path | None, content: JourneyFile) -> Thresholds:
    thresholds = Thresholds.read(file)
    # The file may serve other tests as well, so only the endpoints can be checked.
    thresholds.check_names(tests=(), endpoints=content.endpoints)
    return thresholds
