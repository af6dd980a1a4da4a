"""What is examined, and what an examination consists of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from straingauge.errors import TargetError
from straingauge.observe import MetricNames
from straingauge.runner.load_runner import LoadOrder
from straingauge.target.config import StackConfig

State = Literal["ok", "warning", "problem", "not seen"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The outcome of one check.

    Attributes:
        check: What was looked at, in a word or two.
        state: "problem": a load test would fail or prove nothing. "warning": its figures would not
            be those of the service in use. "not seen": it could not be looked at, and why.
        message: What was seen.
        advice: What to do; empty where nothing is to be done.
    """

    check: str
    state: State
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class CheckContext:
    """The service to be, and with what.

    Attributes:
        url: The service.
        answers: Whether anything listens there.
        order: What would be played; None where no journeys were named.
        stand: How the service would be started, where a straingauge.toml says so.
        names: What the service calls its figures.
        database_url: Its PostgreSQL, if it is known.
        server_pid: Its topmost process, where its port does not tell.
        users: How many there would be.
        results: Where result files would go.
    """

    url: str
    answers: bool
    results: Path
    users: int
    order: LoadOrder | None = None
    stand: StackConfig | None = None
    names: MetricNames = field(default_factory=MetricNames)
    database_url: str | None = field(default=None, repr=False)
    server_pid: int | None = None


def exit_code(lines: Sequence[CheckResult]) -> int:
    """0 where nothing is in the way of a load test, else that of a target that is not set up."""
    return TargetError.exit_code if any(line.state == "problem" for line in lines) else 0
