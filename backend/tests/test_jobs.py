"""The job worker: what it does with failures, with its own death, and with its parent's."""

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
from app.jobs.worker import FIRST_DELAY, MAX_ATTEMPTS, Worker
from app.notes.schemas import Notes
from app.providers.base import ProviderRefused, ProviderUnavailable, Transcript
from app.providers.factory import Providers
from fastapi import FastAPI
from openai_double import Answer, OpenAIDouble
from pgqueuer import PgQueuer
from pgqueuer.types import QueueExecutionMode
from pipelines import Canned, pipeline_of
from recordings import recording, upload, wav
from service import DEADLINE_S, Service, account, until

NOTES = Notes(extractor="canned", summary="Fine.", mood="neutral", mood_trajectory="stable")
WORDS = Transcript("words", "canned", 1.0)


@pytest.fixture
def work(
    app: FastAPI, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Canned], Any]:
    """Works through the queue with these providers, delays left out, until it is empty."""
    monkeypatch.setattr(worker_module, "FIRST_DELAY", timedelta(0))

    async def drain(canned: Canned) -> None:
        connection = await asyncpg.connect(database_url)
        queue = PgQueuer.from_asyncpg_connection(connection)
        Worker(pipeline_of(app, Providers(canned, canned)), queue)
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
    """An uploaded session of Ann's."""
    return await upload(client, ann, patient_id, wav())


async def _session(
    client: httpx2.AsyncClient, ann: dict[str, str], session_id: str
) -> dict[str, Any]:
    answer = await client.get(f"/api/sessions/{session_id}", headers=ann)
    session: dict[str, Any] = answer.json()
    return session


async def test_both_steps_are_worked_through(
    client: httpx2.AsyncClient, ann: dict[str, str], session_id: str, work: Callable[..., Any]
):
    """One upload is transcribed once and extracted once, and ends processed."""
    canned = Canned(WORDS, NOTES)
    await work(canned)
    assert canned.calls == ["audio/wav", "words"]
    session = await _session(client, ann, session_id)
    assert (session["status"], session["duration_s"]) == ("processed", 1.0)


async def test_what_never_can_succeed_fails_at_once_with_its_reason(
    client: httpx2.AsyncClient, ann: dict[str, str], session_id: str, work: Callable[..., Any]
):
    """A refused recording is tried once; the session says why it failed."""
    canned = Canned(ProviderRefused("no speech was found"))
    await work(canned)
    assert len(canned.calls) == 1
    session = await _session(client, ann, session_id)
    assert (session["status"], session["failure_reason"]) == ("failed", "no speech was found")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ProviderUnavailable("the endpoint answered 503"), "the endpoint answered 503"),
        (ZeroDivisionError("secret words"), "an error in the service"),
    ],
)
async def test_what_fails_for_now_is_tried_a_bounded_number_of_times(
    client: httpx2.AsyncClient,
    ann: dict[str, str],
    *,
    session_id: str,
    work: Callable[..., Any],
    error: Exception,
    reason: str,
):
    """A failing step is tried again and then given up, and a bug's message is not shown."""
    canned = Canned(error)
    await work(canned)
    assert len(canned.calls) == MAX_ATTEMPTS
    session = await _session(client, ann, session_id)
    assert session["status"] == "failed"
    assert session["failure_reason"] == f"{reason} ({MAX_ATTEMPTS} attempts)"


@pytest.mark.usefixtures("session_id")
async def test_a_failed_attempt_is_followed_by_a_pause(app: FastAPI, database_url: str):
    """A failed step is queued again for later, not at once."""
    connection = await asyncpg.connect(database_url)
    queue = PgQueuer.from_asyncpg_connection(connection)
    canned = Canned(ProviderUnavailable("busy"))
    Worker(pipeline_of(app, Providers(canned, canned)), queue)
    running = asyncio.create_task(queue.qm.run(dequeue_timeout=timedelta(seconds=0.05)))
    delay_s = None
    while delay_s is None:
        delay_s = await ask(
            database_url,
            "SELECT extract(epoch FROM execute_after - updated)::float FROM pgqueuer"
            " WHERE attempts = 1",
        )
    queue.shutdown.set()
    await running
    await connection.close()
    assert delay_s == FIRST_DELAY.total_seconds()
    assert canned.calls == ["audio/wav"]


async def ask(database_url: str, question: str) -> Any:  # noqa: ANN401 -- any value
    """Ask the database for one value."""
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_a_step_that_runs_twice_changes_nothing(
    app: FastAPI, client: httpx2.AsyncClient, ann: dict[str, str], session_id: str
):
    """A step that is repeated after a crash finds its work done and leaves it alone."""
    canned = Canned(WORDS, NOTES)
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
    """The worker as the service's child process."""

    @pytest.fixture
    def with_worker(self, serve: Callable[..., Service]) -> Callable[..., Service]:
        """Starts the service with its worker, which notices a silent one after a second."""

        def start(*arguments: str, **environment: str) -> Service:
            return serve(*arguments, **{"JOB_WORKER": "true", "JOB_HEARTBEAT_S": "1"} | environment)

        return start

    async def test_an_upload_is_worked_through_by_itself(
        self, with_worker: Callable[..., Service], database_url: str
    ):
        """Started plainly, the service brings a recording to its end: a tone fails for silence."""
        service = with_worker()
        async with httpx2.AsyncClient(base_url=service.url) as client:
            ann = await account(client)
            made = await client.post("/api/patients/", json={"full_name": "Bo"}, headers=ann)
            patient = made.json()["id"]
            tone = await upload(client, ann, patient, wav())
            mp3 = await upload(client, ann, patient, recording("audio/mpeg"))
            await _finished(database_url, 2)
            reasons = [(await _session(client, ann, one))["failure_reason"] for one in (tone, mp3)]
        assert reasons[0] == "no speech was found in the recording"
        assert "WAV only, not MP3" in reasons[1]

    async def test_a_killed_worker_loses_nothing(
        self, with_worker: Callable[..., Service], database_url: str
    ):
        """Jobs of a worker that is killed in the middle are all finished by the next one."""
        with OpenAIDouble() as endpoint:
            held = endpoint.hold()
            endpoint.say(Answer({"text": "I feel better."}))
            service = with_worker(
                TRANSCRIBER="openai", OPENAI_API_KEY="sk-made-up", OPENAI_BASE_URL=endpoint.url
            )
            async with httpx2.AsyncClient(base_url=service.url) as client:
                ann = await account(client)
                made = await client.post("/api/patients/", json={"full_name": "Bo"}, headers=ann)
                for _ in range(6):
                    await upload(client, ann, made.json()["id"], wav())
                await until(lambda: len(endpoint.seen) >= 2)
                (worker,) = _workers(service)
                worker.kill()
                held.set()
                await _finished(database_url, 6)
                listed = (await client.get("/api/sessions/", headers=ann)).json()
        assert [session["status"] for session in listed] == ["processed"] * 6
        assert worker.pid not in {one.pid for one in _workers(service)}
        assert await ask(database_url, "SELECT count(*) FROM notes") == 6

    async def test_a_killed_service_takes_its_worker_along(
        self, with_worker: Callable[..., Service]
    ):
        """After kill -9 of the service its worker ends by itself, so nothing is left."""
        service = with_worker()
        await until(lambda: len(_workers(service)) == 1)
        (worker,) = _workers(service)
        assert service._process is not None
        service._process.kill()
        await until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)

    async def test_the_worker_does_not_hold_the_port(self, with_worker: Callable[..., Service]):
        """The child has no listening socket of the service's."""
        service = with_worker()
        await until(lambda: len(_workers(service)) == 1)
        (worker,) = _workers(service)
        listening = [one for one in worker.net_connections() if one.status == psutil.CONN_LISTEN]
        assert listening == []

    async def test_several_service_processes_have_one_worker(
        self, with_worker: Callable[..., Service]
    ):
        """Two uvicorn workers keep one job worker; when its keeper dies the other starts one."""
        service = with_worker("--workers", "2", RATE_LIMIT_STORAGE="postgres")
        await until(lambda: len(_workers(service)) == 1)
        (worker,) = _workers(service)
        keeper = worker.parent()
        assert keeper is not None
        keeper.kill()
        await until(lambda: [one.pid for one in _workers(service)] not in ([], [worker.pid]))
        await until(lambda: len(_workers(service)) == 1)

    async def test_a_decoder_ends_with_its_worker(self):
        """The decoding process ends when whoever started it is killed, even in the middle."""
        sleeper = "import app.jobs.parent_watch as l, time; l.exit_with_parent(); time.sleep(600)"
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
    """The job workers below a service."""
    assert service._process is not None
    found = []
    for process in psutil.Process(service._process.pid).children(recursive=True):
        try:
            if "app.jobs.worker" in process.cmdline() and process.status() != "zombie":
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


async def _finished(database_url: str, sessions: int) -> None:
    """Wait until so many sessions have come to an end."""
    question = "SELECT count(*) FROM sessions WHERE status IN ('processed', 'failed')"
    async with asyncio.timeout(DEADLINE_S):
        while await ask(database_url, question) < sessions:  # noqa: ASYNC110 -- another process
            await asyncio.sleep(0.05)
