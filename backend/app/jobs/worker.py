"""The job worker: `python -m app.jobs.worker`.

A step that fails for now is queued again with a growing delay, at most `MAX_ATTEMPTS` times; one
that never can succeed fails the session with its reason. A worker that is told to stop gives its
jobs back; one that is killed cannot, and its jobs are taken up when their heartbeat has been silent
for `JOB_HEARTBEAT_S`. When PostgreSQL goes away the worker ends, and whoever started it starts
another.
"""

import asyncio
import logging
import signal
import sys
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job

from app.audio.storage import AudioStore
from app.database import Database
from app.jobs.lifeline import end_with_parent
from app.jobs.pipeline import Pipeline
from app.jobs.queue import EXTRACT_NOTES, TRANSCRIBE
from app.jobs.upkeep import keep_tidy
from app.logs import Logs
from app.providers.base import ProviderRefused, ProviderUnavailable
from app.providers.choose import chosen_providers
from app.settings import Settings, get_settings

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 4
FIRST_DELAY = timedelta(seconds=5)
DELAY_FACTOR = 6  # 5 s, 30 s, 3 min
CONCURRENCY = 4
LOOK_AGAIN = timedelta(seconds=5)
"""New jobs announce themselves; those queued again while others are handed out, and those of a
silent worker, are found by looking."""

Step = Callable[[uuid.UUID], Awaitable[None]]


class Worker:
    """Runs the pipeline's steps for the jobs of the queue."""

    def __init__(self, pipeline: Pipeline, queue: PgQueuer) -> None:
        self._pipeline = pipeline
        self._stopping = queue.shutdown
        for entrypoint, step in (
            (TRANSCRIBE, pipeline.transcribe),
            (EXTRACT_NOTES, pipeline.extract_notes),
        ):
            queue.entrypoint(entrypoint)(self._handler(step))

    def _handler(self, step: Step) -> Callable[[Job], Awaitable[None]]:
        async def handle(job: Job) -> None:
            assert job.payload is not None
            await self._attempt(step, uuid.UUID(bytes=job.payload), job.attempts + 1)

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
            if attempt < MAX_ATTEMPTS:
                delay = FIRST_DELAY * DELAY_FACTOR ** (attempt - 1)
                raise RetryRequested(delay, "tried and failed") from error
            await self._pipeline.fail(session_id, f"{reason} ({attempt} attempts)")

    async def _unless_stopped(self, work: Awaitable[None]) -> None:
        """Do the work; when the worker is told to stop, drop it and ask for it to be queued again.

        Raises:
            RetryRequested: The worker stops.
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
            raise RetryRequested(timedelta(0), "the worker stops")
        await task


async def run(settings: Settings, *, child: bool) -> None:
    """Work until told to stop by SIGTERM, SIGINT or, as a child, by the parent's end."""
    async with AsyncExitStack() as stack:
        connection = await asyncpg.connect(
            settings.driver_url,
            timeout=settings.db_connect_timeout,
            server_settings={"application_name": "therapybridge-worker"},
        )
        stack.push_async_callback(connection.close, timeout=5)
        database = Database(settings)
        stack.push_async_callback(database.close)
        providers = await stack.enter_async_context(chosen_providers(settings))
        store = AudioStore(settings.storage_dir)
        queue = PgQueuer.from_asyncpg_connection(connection)
        Worker(Pipeline(database, store, providers), queue)
        _stop_on_signals(queue.shutdown, child=child)
        tidy = asyncio.create_task(keep_tidy(database, store))
        stack.push_async_callback(_cancel, tidy)
        heartbeat_timeout = timedelta(seconds=settings.job_heartbeat_s)
        await queue.qm.run(
            dequeue_timeout=min(heartbeat_timeout, LOOK_AGAIN),
            heartbeat_timeout=heartbeat_timeout,
            batch_size=CONCURRENCY // 2,
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
        end_with_parent(stop_from_thread)


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})


def main() -> int:
    """Run the worker; the exit code is 1 when it could not go on."""
    settings = get_settings()
    logs = Logs(settings)
    logs.start()
    try:
        asyncio.run(run(settings, child="--child" in sys.argv[1:]))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, RuntimeError):
        logger.exception("the job worker cannot go on")
        return 1
    finally:
        logs.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
