"""Results of checks, and what the checks need to know."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from straingauge.errors import TargetError
from straingauge.http.settings import HttpSettings
from straingauge.observe import MetricNames
from straingauge.runner import LoadSpec
from straingauge.target.config import StackConfig

State = Literal["ok", "warning", "problem", "skipped"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check.

    Attributes:
        check: Its name.
        state: "problem": a load test would fail or be invalid. "warning": its results would differ
            from those of the service in production. "skipped": it could not be checked.
        message: What was found.
        advice: How to fix it; empty if there is nothing to fix.
    """

    check: str
    state: State
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class CheckContext:
    """The service and the planned load.

    Attributes:
        url: Base URL of the service.
        answers: Whether anything listens there.
        results: Folder of the result files.
        users: Number of users of the planned load.
        spec: The planned load; None if no journeys were given.
        stack: How the service would be started, if there is a straingauge.toml.
        names: Names of the service's metrics.
        database_url: URL of its PostgreSQL, if known.
        server_pid: Its parent PID, if it cannot be found by its port.
        http: Settings of connections to the service.
    """

    url: str
    answers: bool
    results: Path
    users: int
    spec: LoadSpec | None = None
    stack: StackConfig | None = None
    names: MetricNames = field(default_factory=MetricNames)
    database_url: str | None = field(default=None, repr=False)
    server_pid: int | None = None
    http: HttpSettings = field(default_factory=HttpSettings)

    @property
    def listening_url(self) -> str:
        """URL by which the service's process is found."""
        return self.http.listening_url(self.url)


def exit_code(lines: Sequence[CheckResult]) -> int:
    """0 if there is no problem, else the exit code of `TargetError`."""
    return TargetError.exit_code if any(line.state == "problem" for line in lines) else 0
