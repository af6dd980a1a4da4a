"""Start a service with a planted fault, run its suite as a user does, and evaluate the result."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from catalogue import SERVICES, PlantedFault
from network import delayed, slow_server
from straingauge.target.config import StackConfig
from tests.performance.fault_injection.background import (
    BackgroundTask,
    RunningService,
    locking,
    run_background,
)
from tests.performance.fault_injection.databases import TemplateDatabase, execute
from tests.performance.fault_injection.trial import Trial, evaluate, read_documents

from straingauge import ServiceStack, TargetError

FOREIGN = Path(__file__).resolve().parent
ENVIRONMENTS = FOREIGN.parent.parent / "build" / "foreign"
LOAD = ("--users", "10", "--think", "0.2-0.4", "--duration", "18s")
DEPENDENCY_S = 1.5


class ForeignService:
    """A service with a seeded template database, which is copied for each trial.

    Use as a context manager.

    Args:
        name: Its name in the catalogue.
    """

    def __init__(self, name: str) -> None:
        self._service = SERVICES[name]
        self._folder = FOREIGN / name
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Install the service, start PostgreSQL and fill the template database.

        Raises:
            TargetError: The service cannot be installed or does not start.
        """
        _install(self._service.name, self._folder / "requirements.txt")
        with ExitStack() as stack:
            self._databases = None
            if self._service.table:
                self._databases = stack.enter_context(TemplateDatabase(self._fill))
            self._dependency = stack.enter_context(slow_server(DEPENDENCY_S))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def run(self, fault: PlantedFault, results: Path, *, repeated: bool = False) -> Trial:
        """Run the suite against the service with a fault, and evaluate the result.

        Raises:
            TargetError: The run left no result; the message has its output.
        """
        started_s = time.monotonic()
        with ExitStack() as stack:
            url = service_url = ""
            if self._databases:
                url = stack.enter_context(self._databases.copy(fault.name, fault.sql))
                service_url = stack.enter_context(_through_proxy(url, fault.database_delay_ms))
            background = run_background(_locks(fault.locked), RunningService(url, os.getpid()))
            stack.enter_context(background)
            output = self._run_suite(fault, url, service_url, results)
        documents = read_documents(results)
        if not documents:
            raise TargetError(f"{fault.name}: the run left no result:\n{output}")
        duration_s = time.monotonic() - started_s
        return evaluate(fault, documents, duration_s=duration_s, repeated=repeated, output=output)

    def _run_suite(self, fault: PlantedFault, url: str, service_url: str, results: Path) -> str:
        environment = {**fault.env, "DATABASE_URL": service_url}
        if fault.planted:
            environment |= {
                "PLANTED_FAULT": fault.planted,
                "PLANTED_PATH": self._service.affected,
                "PLANTED_DATABASE_URL": url,
                "PLANTED_STATEMENT": self._service.statement,
                "PLANTED_DEPENDENCY": self._dependency,
            }
        command = [
            *(str(Path(sys.executable).with_name("straingauge")), "run"),
            str(self._folder / "journeys.py"),
            *(*LOAD, "--results", str(results), "--name", self._service.name),
        ]
        done = _call(command, environment, self._folder)
        return done.stdout + done.stderr

    def _fill(self, url: str) -> None:
        """Start the service once, which creates the tables, and add the rows of seed.sql."""
        config = StackConfig.from_file(self._folder / "straingauge.toml")
        with ServiceStack(config, database_url=url):
            execute(url, (self._folder / "seed.sql").read_text())


def _locks(table: str) -> BackgroundTask | None:
    """Return a task that locks a table like a migration in one transaction."""
    statement = f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
    return locking(statement, for_s=1.2, every_s=4) if table else None


@contextmanager
def _through_proxy(url: str, delay_ms: float) -> Iterator[str]:
    """Yield a URL of the same database, which is `delay_ms` away in each direction."""
    if not delay_ms:
        yield url
        return
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    with delayed(parts.hostname, parts.port, delay_ms / 1000) as port:
        netloc = parts.netloc.replace(f":{parts.port}", f":{port}")
        yield urlunsplit(parts._replace(netloc=netloc))


def _install(name: str, requirements: Path) -> None:
    """Create the environment of a service, unless it has these packages already."""
    folder = ENVIRONMENTS / name / "env"
    ready = folder / ".ready"
    wanted = requirements.read_text()
    if not ready.exists() or ready.read_text() != wanted:
        print(f"Installing {name} into {folder} ...", flush=True)
        _check(
            ["uv", "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)]
        )
        python = str(folder / "bin" / "python")
        _check(["uv", "pip", "install", "--quiet", "--python", python, "-r", str(requirements)])
        ready.write_text(wanted)
    site = next((folder / "lib").glob("python*/site-packages"))
    # Each process of this environment imports the hook, which does nothing without PLANTED_FAULT.
    (site / "planted.pth").write_text(f"{FOREIGN / 'planting'}\nimport planted_hook\n")


def _check(command: list[str]) -> None:
    done = _call(command, {}, FOREIGN)
    if done.returncode:
        raise TargetError(f"{' '.join(command)} failed:\n{done.stderr}")


def _call(
    command: list[str], environment: Mapping[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **environment,
        },
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
