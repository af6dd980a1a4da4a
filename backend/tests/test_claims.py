"""Claims of jobs: turns by therapist, and jobs whose worker was killed."""

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import httpx2
import pytest
from app.jobs.claims import CONCURRENCY, PER_THERAPIST, TRANSCRIPTIONS, ClaimedJob, WorkerStopping
from app.jobs.queue import EXTRACT_NOTES, TRANSCRIBE, enqueue
from app.jobs.worker import Worker, open_queue
from app.providers.factory import Providers
from fastapi import FastAPI
from pgqueuer.models import TracebackRecord
from pgqueuer.types import QueueExecutionMode
from pipelines import CannedProviders, pipeline_of
from recordings import SignUp, make_patient, upload, wav

HEARTBEAT = timedelta(seconds=30)


class JobWorker:
    """The claims of one worker."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.queries = open_queue(connection).qm.queries
        self.id = uuid.uuid4()

    async def claim(self) -> ClaimedJob | None:
        """Claim a job."""
        entrypoints: dict[Any, Any] = {TRANSCRIBE: None, EXTRACT_NOTES: None}
        jobs = await self.queries.dequeue(1, entrypoints, self.id, CONCURRENCY, HEARTBEAT)  # type: ignore[arg-type]
        assert len(jobs) <= 1
        return jobs[0] if jobs else None  # type: ignore[return-value]

    async def claim_all(self) -> list[ClaimedJob]:
        """Claim jobs until the worker gets no more."""
        claimed = []
        while (job := await self.claim()) is not None:
            claimed.append(job)
        return claimed

    async def finish(self, *jobs: ClaimedJob) -> None:
        """Finish jobs successfully."""
        await self.queries.log_jobs([(job, "successful", None) for job in jobs])

    async def die(self) -> None:
        """Let the heartbeats of all jobs of this worker time out."""
        await self._connection.execute(
            "UPDATE pgqueuer SET heartbeat = now() - interval '1 hour' WHERE queue_manager_id = $1",
            self.id,
        )


@pytest.fixture
async def start_worker(database_url: str) -> AsyncIterator[Callable[[], Awaitable[JobWorker]]]:
    """Starts workers that claim jobs on the test's request."""
    connections = []

    async def start() -> JobWorker:
        connections.append(await asyncpg.connect(database_url))
        return JobWorker(connections[-1])

    yield start
    for connection in connections:
        await connection.close()


@pytest.fixture
async def worker(start_worker: Callable[[], Awaitable[JobWorker]]) -> JobWorker:
    """A worker."""
    return await start_worker()


@pytest.fixture
def record(client: httpx2.AsyncClient, sign_up: SignUp) -> Callable[..., Awaitable[list[str]]]:
    """Uploads recordings of a therapist; returns the ids of the sessions."""

    async def make(name: str, recordings: int) -> list[str]:
        headers = await sign_up(f"{name}@example.com")
        patient = await make_patient(client, headers)
        return [await upload(client, headers, patient, wav(0.1)) for _ in range(recordings)]

    return make


def _session(job: ClaimedJob) -> str:
    assert job.payload is not None
    return str(uuid.UUID(bytes=job.payload))


async def test_therapists_take_turns(worker: JobWorker, record: Callable[..., Any]):
    """A therapist with one recording is next, however many recordings others have queued before."""
    many, few, one = await record("ann", 6), await record("bea", 2), await record("cyd", 1)
    order = []
    while (job := await worker.claim()) is not None:
        order.append(_session(job))
        await worker.finish(job)
    assert order == [many[0], few[0], one[0], many[1], few[1], *many[2:]]


async def test_therapist_leaves_places_to_others(worker: JobWorker, record: Callable[..., Any]):
    """One therapist never occupies a worker alone; a later one begins at once."""
    many = await record("ann", 6)
    assert [_session(job) for job in await worker.claim_all()] == many[:PER_THERAPIST]
    one = await record("bea", 1)
    assert [_session(job) for job in await worker.claim_all()] == one


async def test_therapist_with_fewest_running_jobs_is_next(
    worker: JobWorker, record: Callable[..., Any]
):
    """Running jobs count before the time of the last turn."""
    await record("ann", 3)
    first = await worker.claim()
    assert first is not None
    short = await record("bea", 3)
    second = await worker.claim()
    assert second is not None
    await worker.finish(second)
    third = await worker.claim()
    assert [_session(job) for job in (second, third) if job] == short[:2]


async def test_worker_keeps_places_for_notes(
    app: FastAPI, worker: JobWorker, record: Callable[..., Any]
):
    """Transcriptions, which are slow, leave places for the extraction of notes."""
    sessions = [session for number in range(5) for session in await record(f"t{number}", 2)]
    claimed = await worker.claim_all()
    assert len(claimed) == TRANSCRIPTIONS
    async with app.state.database.session() as session:
        for session_id in sessions:
            await enqueue(session, EXTRACT_NOTES, uuid.UUID(session_id))
    claimed += await worker.claim_all()
    assert len(claimed) == CONCURRENCY
    assert {job.entrypoint for job in claimed[TRANSCRIPTIONS:]} == {EXTRACT_NOTES}


async def test_workers_never_share_a_job(
    start_worker: Callable[..., Awaitable[JobWorker]], record: Callable[..., Any]
):
    """Workers that claim at the same time get different jobs, and all jobs are claimed once."""
    sessions = [session for number in range(6) for session in await record(f"t{number}", 3)]
    workers = [await start_worker() for _ in range(3)]

    async def work(worker: JobWorker) -> list[str]:
        done = []
        while jobs := await worker.claim_all():
            done += [_session(job) for job in jobs]
            await worker.finish(*jobs)
        return done

    done = await asyncio.gather(*map(work, workers))
    assert sorted(itertools.chain(*done)) == sorted(sessions)


async def test_job_that_kills_its_workers_fails(
    app: FastAPI,
    client: httpx2.AsyncClient,
    ann: dict[str, str],
    *,
    patient_id: str,
    database_url: str,
    start_worker: Callable[..., Awaitable[JobWorker]],
):
    """After JOB_MAX_ATTEMPTS killed workers the session fails with a reason; no work is started."""
    session_id = await upload(client, ann, patient_id, wav())
    for crashes in range(4):
        worker = await start_worker()
        job = await worker.claim()
        assert job is not None
        assert job.crashes == crashes
        await worker.die()
    canned = CannedProviders()
    await _drain(app, database_url, canned)
    assert canned.calls == []
    session = (await client.get(f"/api/sessions/{session_id}", headers=ann)).json()
    assert session["status"] == "failed"
    assert session["failure_reason"] == "the processing ended unexpectedly (4 attempts)"


async def _drain(app: FastAPI, database_url: str, canned: CannedProviders) -> None:
    """Run all jobs."""
    connection = await asyncpg.connect(database_url)
    queue = open_queue(connection)
    Worker(pipeline_of(app, Providers(canned, canned)), queue, max_attempts=4)
    await queue.qm.run(
        mode=QueueExecutionMode.drain,
        batch_size=1,
        dequeue_timeout=timedelta(seconds=0.05),
        heartbeat_timeout=HEARTBEAT,
        log_aggregation_interval=timedelta(0),
    )
    await connection.close()


async def test_innocent_jobs_of_a_killed_worker_are_processed(
    start_worker: Callable[..., Awaitable[JobWorker]], record: Callable[..., Any]
):
    """Jobs that ran beside one that kills its worker are separated from it and finish."""
    guilty = (await record("ann", 1))[0]
    innocent = {session for number in range(3) for session in await record(f"t{number}", 1)}
    finished: set[str] = set()
    while innocent - finished:
        worker = await start_worker()
        jobs = await worker.claim_all()
        assert sum(job.crashes > 0 for job in jobs) <= 1
        assert all(job.crashes <= 1 for job in jobs if _session(job) != guilty)
        if guilty in map(_session, jobs):
            await worker.die()
        else:
            finished.update(map(_session, jobs))
            await worker.finish(*jobs)


async def test_stopped_worker_does_not_use_up_an_attempt(
    worker: JobWorker, record: Callable[..., Any]
):
    """A job that a stopping worker releases keeps its number of attempts and can start at once."""
    await record("ann", 1)
    for _ in range(6):
        job = await worker.claim()
        assert job is not None
        assert job.attempts + job.crashes == 0
        stopping = TracebackRecord.from_exception(WorkerStopping(), job.id)
        await worker.queries.retry_job(job, timedelta(0), stopping)


async def test_jobs_of_the_previous_version_are_claimed(
    worker: JobWorker, database_url: str, record: Callable[..., Any]
):
    """A job that was queued without a therapist is claimed."""
    await record("ann", 1)
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE pgqueuer SET therapist_id = DEFAULT")
    await connection.close()
    assert await worker.claim() is not None
