"""A service that was started here, as the processes of a load need to know it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # every pytest session loads this module
    from pathlib import Path

    from straingauge.target.config import StackConfig


LOG_VARIABLE: Final = "STRAINGAUGE_SERVICE_LOG"
"""Environment variable of the command that `straingauge serve` runs: log of the service."""

TEMPORARY_DATABASE_VARIABLE: Final = "STRAINGAUGE_TEMPORARY_DATABASE"
"""Likewise: URL of the database, if it was started with the service and is removed with it."""


@dataclass(frozen=True, slots=True)
class StartedService:
    """A service that a `ServiceStack` has started.

    Attributes:
        pid: PID of the service; with several workers, of their parent.
        database_url: Its database; None if it has none.
        config: The configuration of another instance of the same build, with the same database and
            environment, on any free port and with one worker. Nothing needs to be prepared for it:
            ``ServiceStack(started.config, database_url=started.database_url)``.
        has_temporary_database: The database was started with it, and is removed with it.
        log_path: Its output, on the machine that started it.
    """

    pid: int
    database_url: str | None = field(repr=False)  # it holds a password
    config: StackConfig = field(repr=False)
    has_temporary_database: bool = False
    log_path: Path | None = None
