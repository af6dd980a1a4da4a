"""The job worker: `python -m app.jobs.worker`.

A step that fails temporarily is retried with exponential backoff, at most `JOB_MAX_ATTEMPTS`
attempts. A permanent failure marks the session as failed. A worker that is stopped releases its
jobs, which does not count as an attempt. The jobs of a killed worker are claimed again after
`JOB_HEARTBEAT_S` seconds without a heartbeat, which counts as an attempt (`app.jobs.claims`). If
PostgreSQL becomes unavailable, the worker exits and its supervisor restarts it.
"""

import asyncio
import logging
import signal
import sys
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, nullcontext
from datetime import timedelta
from pathlib import Path

import asyncpg
from pgqueuer import AsyncpgDriver, PgQueuer
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job

from app import pooler
from app.audio.storage import AudioStore
from app.background import BackgroundTasks
from app.database import Database
from app.jobs import maintenance, polling
from app.jobs.claims import CONCURRENCY, ClaimedJob, FairQueries, WorkerStopping
from app.jobs.parent_watch import exit_with_parent
from app.jobs.pipeline import Pipeline
from app.jobs.polling import PollingDriver
from app.jobs.queue import EXTRACT_NOTES, TRANSCRIBE
from app.logs import Logs
from app.metrics_files import FILES
from app.providers.base import ProviderRefused, ProviderUnavailable
from app.providers.factory import open_providers
from app.settings import Settings, get_settings

logger = logging.getLogger(__name__)

FIRST_DELAY = timedelta(seconds=5)
DELAY_FACTOR = 6  # 5 s, 30 s, 3 min
POLL_INTERVAL = timedelta(seconds=5)
"""Polling finds retried jobs and jobs of a killed worker. New jobs arrive by notification."""

Step = Callable[[uuid.UUID], Awaitable[None]]


class Worker:
    """Runs the pipeline step of each job in the queue."""

    def __init__(self, pipeline: Pipeline, queue: PgQueuer, *, max_attempts: int) -> None:
        self._pipeline = pipeline
        self._stopping = queue.shutdown
        self._max_attempts = max_attempts
        for entrypoint, step in (
            (TRANSCRIBE, pipeline.transcribe),
            (EXTRACT_NOTES, pipeline.extract_notes),
        ):
            queue.entrypoint(entrypoint)(self._handler(step))

    def _handler(self, step: Step) -> Callable[[Job], Awaitable[None]]:
        async def handle(job: Job) -> None:
            assert isinstance(job, ClaimedJob)
            assert job.payload is not None
            session_id = uuid.UUID(bytes=job.payload)
            earlier = job.attempts + job.crashes
            if earlier >= self._max_attempts:
                logger.error("gave up a job: its worker ended %d times", job.crashes)
                reason = f"the processing ended unexpectedly ({earlier} attempts)"
                await self._pipeline.fail(session_id, reason)
            else:
                await self._attempt(step, session_id, earlier + 1)

        return handle

    async def _attempt(self, step: Step, session_id: uuid.UUID, attempt: int) -> None:
        try:
            await self._unless_stopped(step(session_id))
        except ProviderRefused as error:
            await self._pipeline.fail(session_id, str(error))
        except RetryRequested:
            raise
        except Exception as error:
            reason = "an error in the service"
            if isinstance(error, ProviderUnavailable):
                reason = str(error)
            else:
                logger.exception("a job failed")
            if attempt < self._max_attempts:
                delay = FIRST_DELAY * DELAY_FACTOR ** (attempt - 1)
                raise RetryRequested(delay, "the attempt failed") from error
            await self._pipeline.fail(session_id, f"{reason} ({attempt} attempts)")

    async def _unless_stopped(self, work: Awaitable[None]) -> None:
        """Run a step; cancel and requeue it if the worker is stopped.

        Raises:
            WorkerStopping: The worker is stopping.
        """
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        if task.cancelled():
            raise WorkerStopping
        await task


def open_queue(connection: asyncpg.Connection, *, polls: bool = False) -> PgQueuer:
    """Open the queue with turns by therapist; `polls` if notifications do not arrive."""
    driver = PollingDriver(connection) if polls else AsyncpgDriver(connection)
    return PgQueuer(driver, queries=FairQueries(driver))


async def run(settings: Settings, *, child: bool) -> None:
    """Run jobs until SIGTERM or SIGINT or, as a child process, until the parent exits."""
    async with AsyncExitStack() as stack:
        connection = await pooler.connect(settings, "therapybridge-worker", asyncpg.Connection)
        stack.push_async_callback(connection.close, timeout=5)
        database = Database(settings)
        stack.push_async_callback(database.close)
        providers = await stack.enter_async_context(open_providers(settings))
        store = AudioStore(settings.storage_dir)
        polls = await pooler.uses_pooler(settings)
        queue = open_queue(connection, polls=polls)
        pipeline = Pipeline(database, store, providers)
        Worker(pipeline, queue, max_attempts=settings.job_max_attempts)
        _stop_on_signals(queue.shutdown, child=child)
        maintenance.start(
            await stack.enter_async_context(BackgroundTasks()), database, store, settings
        )
        heartbeat_timeout = timedelta(seconds=settings.job_heartbeat_s)
        await queue.qm.run(
            dequeue_timeout=min(
                heartbeat_timeout, polling.POLL_INTERVAL if polls else POLL_INTERVAL
            ),
            heartbeat_timeout=heartbeat_timeout,
            batch_size=1,
            max_concurrent_tasks=CONCURRENCY,
            shutdown_on_listener_failure=True,
        )


def _stop_on_signals(stopping: asyncio.Event, *, child: bool) -> None:
    loop = asyncio.get_running_loop()

    def stop_from_thread() -> None:
        loop.call_soon_threadsafe(stopping.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if child:
        exit_with_parent(stop_from_thread)


def main() -> int:
    """Run the worker; return 1 if it failed.

    With `--child DIRECTORY` it exits with its parent, and writes its metrics to that directory.
    """
    settings = get_settings()
    logs = Logs(settings)
    logs.start()
    child = sys.argv[1:2] == ["--child"]
    metrics = FILES.open_in(Path(sys.argv[2]), name="worker") if child else nullcontext()
    try:
        with metrics:
            asyncio.run(run(settings, child=child))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, RuntimeError):
        logger.exception("the job worker failed")
        return 1
    finally:
        logs.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
