"""TherapyBridge with two workers on a durable PostgreSQL, each part of which can be killed."""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from service import BACKEND
from straingauge.target import pgbouncer
from straingauge.target.pgbouncer import PgBouncer, find_pgbouncer
from straingauge.target.ports import free_port
from straingauge.target.process_group import Child, ProcessGroup
from tests.chaos import redis_server
from tests.chaos.connection import Connection
from tests.chaos.provider import Provider
from tests.chaos.redis_server import Redis, find_redis

from straingauge import Postgres, TargetError

WORKERS = 2
LIMIT_S = 300.0
"""Time after which something that should happen counts as not happening."""
POLL_S = 0.02
STOP_S = 20.0
STARTED = "Application startup complete."
UNLIMITED = "1000000/minute"
POOL_SIZE = 10
"""Connections of PgBouncer to PostgreSQL, fewer than those of the workers to PgBouncer."""


class Part(StrEnum):
    """A part that a system has in addition to the service and PostgreSQL, for some disturbances."""

    PGBOUNCER = "pgbouncer"
    REDIS = "redis"

    def missing(self) -> str | None:
        """Return how to install its program; None if it is installed."""
        finders = {
            Part.PGBOUNCER: (find_pgbouncer, pgbouncer.HINT),
            Part.REDIS: (find_redis, redis_server.HINT),
        }
        find, hint = finders[self]
        return None if find() is not None else hint


class System:
    """PostgreSQL, the service with its job worker, and a provider. Use as a context manager.

    Attributes:
        part: What else it has: a PgBouncer in transaction mode in front of PostgreSQL, or a Redis
            for the counters of the rate limits; None for neither.
        port: Port of the service.
        database_url: URL of the database, not through a pooler.
        storage: Directory of the recordings.
        pooler: The PgBouncer, if there is one.
        redis: The Redis, if there is one.
    """

    port: int
    database_url: str
    storage: Path
    pooler: PgBouncer | None = None
    redis: Redis | None = None

    def __init__(self, part: Part | None = None) -> None:
        self.part = part

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._group = stack.enter_context(ProcessGroup())
            self.postgres = stack.enter_context(
                Postgres(database="therapybridge", max_connections=150, run=self._group)
            )
            self.database_url = self.postgres.url
            if self.part is Part.PGBOUNCER:
                pooler = PgBouncer(self.database_url, pool_size=POOL_SIZE)
                self.pooler = stack.enter_context(pooler)
            elif self.part is Part.REDIS:
                self.redis = Redis(self._group)
                self.redis.start()
            self.storage = self._group.folder / "audio"
            self.port = free_port()
            self.provider = stack.enter_context(Provider(self.kill_job_worker))
            self._group.call(
                "migrations",
                [sys.executable, "-m", "alembic", "upgrade", "head"],
                cwd=BACKEND,
                env=self._environment() | {"DATABASE_URL": self.database_url},
            )
            self._starts = 0
            self.start_service()
            self.await_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "DATABASE_URL": self.database_url if self.pooler is None else self.pooler.url,
            "STORAGE_DIR": str(self.storage),
            "LOG_DIR": str(self._group.folder / "logs"),
            "SECRET_KEY": "a key for tests, long enough to sign",
            "RATE_LIMIT_STORAGE": "postgres" if self.redis is None else self.redis.url,
            "RATE_LIMIT_DEFAULT": UNLIMITED,
            "RATE_LIMIT_LOGIN": UNLIMITED,
            "RATE_LIMIT_FAILED_LOGINS_BY_ADDRESS": UNLIMITED,
            "RATE_LIMIT_SIGNUP": UNLIMITED,
            "RATE_LIMIT_UPLOAD": UNLIMITED,
            "ACCESS_TOKEN_TTL_S": "86400",
            "ACCOUNT_DAY_S": "8640000",
            # Not the default of 30 s, which each killed job would wait.
            "JOB_HEARTBEAT_S": "2",
            "TRANSCRIBER": "openai",
            "NOTE_EXTRACTOR": "openai",
            "OPENAI_API_KEY": "sk-made-up",
            "OPENAI_BASE_URL": self.provider.url,
        }

    def start_service(self) -> None:
        """Start the service without waiting for it."""
        self._starts += 1
        self._service = self._group.start(
            f"service {self._starts}",
            [
                *(sys.executable, "-m", "app.serve", "--port", str(self.port)),
                *("--workers", str(WORKERS), "--no-access-log"),
            ],
            cwd=BACKEND,
            env=self._environment(),
            grace_s=STOP_S,
        )

    @property
    def service(self) -> Child:
        """The parent process of the workers."""
        return self._service

    @property
    def service_log(self) -> str:
        """The log of the service since its last start."""
        assert self._service.log_path is not None
        return self._service.log_path.read_text(errors="replace")

    def workers(self) -> list[psutil.Process]:
        """Return the processes that serve requests."""
        return self._children("app.serve", "multiprocessing.spawn")

    def job_workers(self) -> list[psutil.Process]:
        """Return the processes that run jobs."""
        return self._children("app.jobs.worker")

    def postgres_processes(self) -> list[psutil.Process]:
        """Return PostgreSQL's main process and those of its connections."""
        main = psutil.Process(self.postgres.pid)
        return [main, *main.children(recursive=True)]

    def _children(self, *words: str) -> list[psutil.Process]:
        found = []
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self._service.popen.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    is_running = process.status() != psutil.STATUS_ZOMBIE
                    command = " ".join(process.cmdline())
                    if is_running and any(word in command for word in words):
                        found.append(process)
        return found

    def kill_service(self) -> None:
        """Kill the parent and its workers; the job worker ends by itself."""
        for process in [psutil.Process(self._service.popen.pid), *self.workers()]:
            process.kill()
        self.clear_service()

    def has_ended(self) -> bool:
        """Return true if the parent of the workers has ended."""
        return self._service.popen.poll() is not None

    def clear_service(self) -> None:
        """End what a killed service has left, as a service manager does."""
        self._group.end(self._service)

    def stop_service(self) -> None:
        """Stop the service with SIGTERM and wait for its end."""
        self._service.popen.send_signal(signal.SIGTERM)
        self._service.popen.wait(LIMIT_S)
        self.clear_service()

    def kill_job_worker(self) -> None:
        """Kill the process that runs jobs, once it runs."""
        wait_for(lambda: bool(self.job_workers()), "a job worker")
        for process in self.job_workers():
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def restart_postgres(self) -> None:
        """Kill PostgreSQL's main process, and start the server again."""
        os.kill(self.postgres.pid, signal.SIGKILL)
        self.postgres.stop()  # waits for the processes of its connections
        self.postgres.start()

    def count_started(self) -> int:
        """Return how many workers have started since the last start of the service."""
        return self.service_log.count(STARTED)

    def is_ready(self) -> bool:
        """Return true if GET /ready is a 200 on a new connection."""
        connection = Connection(self.port, timeout_s=1.0)
        answer = connection.request("GET", "/ready")
        connection.close()
        return answer.status == 200

    def await_ready(self, started: int = WORKERS) -> None:
        """Wait until the service is ready, all workers run, and a job worker.

        Args:
            started: Workers that have started since the last start of the service.

        Raises:
            TargetError: It did not become ready within `LIMIT_S`.
        """
        wait_for(
            lambda: (
                self.is_ready()
                and self.count_started() >= started
                and len(self.workers()) == WORKERS
                and bool(self.job_workers())
            ),
            "the service to be ready",
        )


def wait_for(condition: Callable[[], bool], what: str, limit_s: float = LIMIT_S) -> None:
    """Wait until a condition is true.

    Raises:
        TargetError: It was not within the limit.
    """
    deadline_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise TargetError(f"waited {limit_s:.0f} s for {what}")
        time.sleep(POLL_S)
