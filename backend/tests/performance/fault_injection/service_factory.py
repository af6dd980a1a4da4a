"""Start services with faults: one PostgreSQL server, and a fresh database for each service."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from app.seed.rows import PASSWORD
from argon2 import PasswordHasher
from straingauge.target.config import StackConfig
from tests.performance.fault_injection.background import RunningService, run_background
from tests.performance.fault_injection.catalogue import SETTINGS, Fault
from tests.performance.fault_injection.databases import TemplateDatabase, execute
from tests.performance.fault_injection.suite import BACKEND

from straingauge import ServiceStack

# Logins are not measured, and with normal hashes hundreds of them would take half of the time.
# Argon2 verifies a hash with the parameters it contains.
FAST_HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


class ServiceFactory:
    """A PostgreSQL server with a migrated and seeded template database, copied for each service.

    Use as a context manager.
    """

    def __init__(self) -> None:
        self._config = StackConfig.from_file(BACKEND / "straingauge.toml")
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start PostgreSQL and create the template database.

        Raises:
            TargetError: PostgreSQL does not start, or the template cannot be created.
        """
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            self._databases = stack.enter_context(TemplateDatabase(self._fill))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @contextmanager
    def start(self, fault: Fault) -> Iterator[ServiceStack]:
        """Run the service with a fault and its background task while the context is active.

        Raises:
            TargetError: The service does not start.
        """
        with self._databases.copy(fault.name, fault.sql) as url:
            config = replace(self._config_for(fault), prepare=())  # the template is prepared
            with (
                ServiceStack(config, database_url=url) as stack,
                run_background(fault.background, RunningService(url, stack.pid)),
            ):
                yield stack

    def _config_for(self, fault: Fault) -> StackConfig:
        folder = Path(tempfile.mkdtemp(prefix=f"{fault.name}-", dir=self._folder))
        folders = {"LOG_DIR": str(folder / "logs"), "STORAGE_DIR": str(folder / "audio")}
        env = {**self._config.env, **SETTINGS, **folders, **fault.env}
        return replace(
            self._config, app=fault.import_string, workers=fault.workers, port=0, env=env
        )

    def _fill(self, url: str) -> None:
        """Start the service once, which runs the migrations and the seed."""
        with ServiceStack(self._config_for(Fault("seeded", "")), database_url=url):
            pass
        password_hash = FAST_HASHER.hash(PASSWORD)
        execute(url, "UPDATE users SET password_hash = $1", password_hash)
