"""Commands and environment variables of a service stack, with their placeholders replaced."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from straingauge.git import without_repository
from straingauge.inside import probe
from straingauge.target.config import StackConfig
from straingauge.target.stack_settings import PLACEHOLDER
from straingauge.target.started_service import LOG_VARIABLE, TEMPORARY_DATABASE_VARIABLE


@dataclass(frozen=True, slots=True)
class StackValues:
    """Values of the placeholders in the commands and environment variables of a stack.

    Attributes:
        config: The configuration.
        port: Port of the service.
        folder: Folder of the stack's temporary files.
        database_url: URL of the database; None before it starts, and without one.
        database_given: True if the database existed before the stack.
    """

    config: StackConfig
    port: int
    folder: Path
    database_url: str | None
    database_given: bool

    def fill(self, words: Iterable[str], other: Mapping[str, str] | None = None) -> list[str]:
        """Replace the placeholders in a command, some of them by other values."""
        values = {
            "python": str(self.config.python),
            "port": str(self.port),
            "workers": str(self.config.workers),
            "app": self.config.app,
            "database_address": (self.database_url or "").partition("://")[2],
            "database_url": self.database_url or "",
            "folder": str(self.folder),
            **(other or {}),
        }
        return [PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in words]

    def fill_env(
        self, env: Mapping[str, str], other: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Replace the placeholders in the values of environment variables."""
        return dict(zip(env, self.fill(env.values(), other), strict=True))

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment with the additions of the file."""
        return (
            self.fill_env(self.temporary_env)
            | without_repository(os.environ)
            | self.fill_env(self.config.env)
        )

    @property
    def temporary_env(self) -> Mapping[str, str]:
        """The additions for a temporary database."""
        postgres = self.config.postgres
        return postgres.env if postgres and not self.database_given else {}

    def command_environment(self, log_path: Path) -> dict[str, str]:
        """Return the environment of a command that runs next to the service.

        Args:
            log_path: Log of the service, in which a generator of load finds its exceptions.
        """
        temporary = "" if self.database_given else self.database_url or ""
        return self.environment | {
            LOG_VARIABLE: str(log_path),
            TEMPORARY_DATABASE_VARIABLE: temporary,
        }

    def service_environment(self) -> dict[str, str]:
        """Return the environment of the service, with the probe that a profile reads."""
        env = self.environment
        if not self.config.profile:
            return env
        folder = self.folder / "probe"
        folder.mkdir(exist_ok=True)
        path = (str(Path(probe.__file__).parent), env.get("PYTHONPATH"))
        return env | {
            probe.FOLDER: str(folder),
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
        }
