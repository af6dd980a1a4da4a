"""The job worker: steps, retries, and the worker process."""

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import psutil
import pytest
from app.jobs import worker as worker_module
from app.jobs.worker import FIRST_DELAY, Worker, open_queue
from app.notes.schemas import Notes
from app.providers.base import ProviderRefused, ProviderUnavailable, Transcript
from app.providers.factory import Providers
from fastapi import FastAPI
from openai_server import CannedResponse, OpenAIServer
from pgqueuer.types import QueueExecutionMode
from pipelines import CannedProviders, pipeline_of
from recordings import recording, upload, wav
from service import DEADLINE_S, Service, account, until

NOTES = Notes(extractor="canned", summary="Fine.", mood="neutral", mood_trajectory="stable")
MAX_ATTEMPTS = 4
WORDS = Transcript("words", "canned", 1.0)


@pytest.fixture
def work(
    app: FastAPI, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[CannedProviders], Any]:
    """Runs all queued jobs with these providers, retrying without delay."""
    monkeypatch.setattr(worker_module, "FIRST_DELAY", timedelta(0))

    async def drain(canned: CannedProviders) -> None:
        connection = await asyncpg.connect(database_url)
        queue = open_queue(connection)
        Worker(pipeline_of(app, Providers(canned, canned)), queue, max_attempts=MAX_ATTEMPTS)
        await queue.qm.run(
            mode=QueueExecutionMode.drain,
            batch_size=1,
            dequeue_timeout=timedelta(seconds=0.05),
            log_aggregation_interval=timedelta(0),
        )
        await connection.close()

    return drain


@pytest.fixture
async def session_id(client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str) -> str:
    """An uploaded session of Ann."""
    return await upload(client, ann, patient_id, wav())


async def _session(
    client: httpx2.AsyncClient, ann: dict[str, str], session_id: str
) -> dict[str, Any]:
    response = await client.get(f"/api/sessions/{session_id}", headers=ann)
    session: dict[str, Any] = response.json()
    return session


async def test_upload_is_transcribed_and_extracted(
    client: httpx2.AsyncClient, ann: dict[str, str], session_id: str, work: Callable[..., Any]
):
    """An upload is transcribed once, its notes are extracted once, and its status is processed."""
    canned = CannedProviders(WORDS, NOTES)
    await work(canned)
    assert canned.calls == ["audio/wav", "words"]
    session = await _session(client, ann, session_id)
    assert (session["status"], session["duration_s"]) == ("processed", 1.0)


async def test_permanent_failure_is_not_retried(
    client: httpx2.AsyncClient, ann: dict[str, str], session_id: str, work: Callable[..., Any]
):
    """A rejected recording is not retried, and the session has the failure reason."""
    canned = CannedProviders(ProviderRefused("no speech was found"))
    await work(canned)
    assert len(canned.calls) == 1
    session = await _session(client, ann, session_id)
    assert (session["status"], session["failure_reason"]) == ("failed", "no speech was found")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ProviderUnavailable("the endpoint responded with 503"), "the endpoint responded with 503"),
        (ZeroDivisionError("secret words"), "an error in the service"),
    ],
)
async def test_temporary_failure_is_retried_a_limited_number_of_times(
    client: httpx2.AsyncClient,
    ann: dict[str, str],
    *,
    session_id: str,
    work: Callable[..., Any],
    error: Exception,
    reason: str,
):
    """A failing step is retried and then fails; messages of unexpected errors are not shown."""
    canned = CannedProviders(error)
    await work(canned)
    assert len(canned.calls) == MAX_ATTEMPTS
    session = await _session(client, ann, session_id)
    assert session["status"] == "failed"
    assert session["failure_reason"] == f"{reason} ({MAX_ATTEMPTS} attempts)"


@pytest.mark.usefixtures("session_id")
async def test_retry_is_delayed(app: FastAPI, database_url: str):
    """A failed step is requeued with a delay."""
    connection = await asyncpg.connect(database_url)
    queue = open_queue(connection)
    canned = CannedProviders(ProviderUnavailable("busy"))
    Worker(pipeline_of(app, Providers(canned, canned)), queue, max_attempts=MAX_ATTEMPTS)
    running = asyncio.create_task(queue.qm.run(dequeue_timeout=timedelta(seconds=0.05)))
    delay_s = None
    while delay_s is None:
        delay_s = await query_value(
            database_url,
            "SELECT extract(epoch FROM execute_after - updated)::float FROM pgqueuer"
            " WHERE attempts = 1",
        )
    queue.shutdown.set()
    await running
    await connection.close()
    assert delay_s == FIRST_DELAY.total_seconds()
    assert canned.calls == ["audio/wav"]


async def query_value(database_url: str, query: str) -> Any:  # noqa: ANN401 -- any value
    """Query one value."""
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_steps_are_idempotent(
    app: FastAPI, client: httpx2.AsyncClient, ann: dict[str, str], session_id: str
):
    """A step that is repeated after a crash changes nothing."""
    canned = CannedProviders(WORDS, NOTES)
    pipeline = pipeline_of(app, Providers(canned, canned))
    await pipeline.transcribe(UUID(session_id))
    await pipeline.transcribe(UUID(session_id))
    await pipeline.extract_notes(UUID(session_id))
    done = await _session(client, ann, session_id)
    await pipeline.extract_notes(UUID(session_id))
    await pipeline.fail(UUID(session_id), "late")
    assert await _session(client, ann, session_id) == done
    assert canned.calls == ["audio/wav", "words"]


class TestWorkerProcess:
    """The worker as a child process of the service."""

    @pytest.fixture
    def with_worker(self, serve: Callable[..., Service]) -> Callable[..., Service]:
        """Starts the service with a worker and a heartbeat timeout of one second."""

        def start(*arguments: str, **environment: str) -> Service:
            return serve(*arguments, **{"JOB_WORKER": "true", "JOB_HEARTBEAT_S": "1"} | environment)

        return start

    @pytest.mark.e2e
    async def test_service_processes_uploads(
        self, with_worker: Callable[..., Service], database_url: str
    ):
        """The service processes uploads with its worker; a tone fails for lack of speech."""
        service = with_worker()
        async with httpx2.AsyncClient(base_url=service.url) as client:
            ann = await account(client)
            created = await client.post("/api/patients/", json={"full_name": "Bo"}, headers=ann)
            patient = created.json()["id"]
            tone = await upload(client, ann, patient, wav())
            mp3 = await upload(client, ann, patient, recording("audio/mpeg"))
            await _wait_until_finished(database_url, 2)
            reasons = [
                (await _session(client, ann, upload_id))["failure_reason"]
                for upload_id in (tone, mp3)
            ]
        assert reasons[0] == "no speech was found in the recording"
        assert "WAV only, not MP3" in reasons[1]

    @pytest.mark.e2e
    async def test_jobs_of_a_killed_worker_are_finished(
        self, with_worker: Callable[..., Service], database_url: str
    ):
        """All jobs of a killed worker are finished by the next one."""
        with OpenAIServer() as endpoint:
            held = endpoint.hold()
            endpoint.respond_with(CannedResponse({"text": "I feel better."}))
            service = with_worker(
                TRANSCRIBER="openai", OPENAI_API_KEY="sk-created-up", OPENAI_BASE_URL=endpoint.url
            )
            async with httpx2.AsyncClient(base_url=service.url) as client:
                ann = await account(client)
                created = await client.post("/api/patients/", json={"full_name": "Bo"}, headers=ann)
                for _ in range(6):
                    await upload(client, ann, created.json()["id"], wav())
                await until(lambda: len(endpoint.requests) >= 2)
                (worker,) = _workers(service)
                worker.kill()
                held.set()
                await _wait_until_finished(database_url, 6)
                listed = (await client.get("/api/sessions/", headers=ann)).json()
        assert [session["status"] for session in listed] == ["processed"] * 6
        assert worker.pid not in {process.pid for process in _workers(service)}
        assert await query_value(database_url, "SELECT count(*) FROM notes") == 6

    @pytest.mark.e2e
    async def test_worker_exits_with_a_killed_service(self, with_worker: Callable[..., Service]):
        """The worker exits when its service is killed with `kill -9`."""
        service = with_worker()
        await until(lambda: len(_workers(service)) == 1)
        (worker,) = _workers(service)
        assert service._process is not None
        service._process.kill()
        await until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)

    async def test_worker_does_not_inherit_the_listening_socket(
        self, with_worker: Callable[..., Service]
    ):
        """The worker has no listening socket."""
        service = with_worker()
        await until(lambda: len(_workers(service)) == 1)
        (worker,) = _workers(service)
        listening = [item for item in worker.net_connections() if item.status == psutil.CONN_LISTEN]
        assert listening == []

    @pytest.mark.e2e
    async def test_service_processes_share_one_worker(self, with_worker: Callable[..., Service]):
        """Of two uvicorn workers one runs the job worker; if it is killed, the other starts one."""
        service = with_worker("--workers", "2", RATE_LIMIT_STORAGE="postgres")
        await until(lambda: len(_workers(service)) == 1)
        (worker,) = _workers(service)
        supervisor = worker.parent()
        assert supervisor is not None
        supervisor.kill()
        await until(
            lambda: [process.pid for process in _workers(service)] not in ([], [worker.pid])
        )
        await until(lambda: len(_workers(service)) == 1)

    async def test_decoder_exits_with_its_worker(self):
        """The decoding process exits when its parent exits."""
        sleeper = "import app.jobs.parent_watch as p, time; p.exit_with_parent(); time.sleep(600)"
        read, write = os.pipe()
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", sleeper),
            stdin=read,
            cwd=Path(__file__).parent.parent,
        )
        os.close(read)
        assert child.returncode is None
        os.close(write)
        assert await asyncio.wait_for(child.wait(), 20) == 1


def _workers(service: Service) -> list[psutil.Process]:
    """Return the job workers among the child processes of a service."""
    assert service._process is not None
    found = []
    for process in psutil.Process(service._process.pid).children(recursive=True):
        try:
            if "app.jobs.worker" in process.cmdline() and process.status() != "zombie":
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


async def _wait_until_finished(database_url: str, sessions: int) -> None:
    """Wait until this number of sessions has been processed or has failed."""
    query = "SELECT count(*) FROM sessions WHERE status IN ('processed', 'failed')"
    async with asyncio.timeout(DEADLINE_S):
        while await query_value(database_url, query) < sessions:  # noqa: ASYNC110 -- another process
            await asyncio.sleep(0.05)
