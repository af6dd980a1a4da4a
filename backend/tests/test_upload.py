"""Uploads over HTTP."""

import errno
import hashlib
import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from app.errors import Unavailable
from app.jobs import queue
from app.jobs.maintenance import requeue_stuck_sessions
from app.sessions import endpoints
from app.sessions.upload import MIN_BYTES
from app.settings import Settings
from fastapi import FastAPI
from recordings import HEADS, recording, upload, wav
from service import Service, account, until

MAX_BYTES = 1_000_000


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Settings with a maximum upload of one megabyte."""
    return make_settings(max_upload_bytes=MAX_BYTES, rate_limit_enabled=False)


async def _send(
    client: httpx2.AsyncClient,
    ann: dict[str, str],
    audio: bytes | None,
    **options: Any,  # noqa: ANN401 -- httpx2's
) -> httpx2.Response:
    files = None if audio is None else {"file": ("photo.png", audio, "image/png")}
    return await client.post("/api/sessions/upload", headers=ann, files=files, **options)


def _files(settings: Settings) -> list[Path]:
    return [path for path in Path(settings.storage_dir).rglob("*/*") if path.is_file()]


async def _rows(app: FastAPI) -> tuple[int, int]:
    """Return the number of sessions and of jobs."""
    async with app.state.database.driver_connection() as connection:
        sessions = await connection.fetchval("SELECT count(*) FROM sessions")
        return sessions, await connection.fetchval("SELECT count(*) FROM pgqueuer")


@pytest.mark.parametrize("media_type", HEADS)
async def test_format_is_detected_by_content(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str, media_type: str
):
    """The media type is detected by content; name and declared type of the file are ignored."""
    audio = recording(media_type)
    response = await _send(client, ann, audio, data={"patient_id": patient_id})
    assert response.status_code == 202
    accepted = response.json()
    assert accepted["media_type"] == media_type
    assert accepted["sha256"] == hashlib.sha256(audio).hexdigest()
    assert accepted["size_bytes"] == len(audio)
    assert accepted["status"] == "uploading"


async def test_accepted_upload_is_stored(
    app: FastAPI,
    client: httpx2.AsyncClient,
    ann: dict[str, str],
    *,
    patient_id: str,
    settings: Settings,
):
    """After the 202 there is one row with all fields, one job and one private file."""
    fields = {"patient_id": patient_id, "session_date": "2026-01-02T03:04:05Z", "notes": "calm"}
    session_id = (await _send(client, ann, wav(), data=fields)).json()["id"]
    assert await _rows(app) == (1, 1)
    (file,) = _files(settings)
    assert file.read_bytes() == wav()
    assert file.stat().st_mode & 0o777 == 0o600
    session = (await client.get(f"/api/sessions/{session_id}", headers=ann)).json()
    assert session["session_date"] == fields["session_date"]
    assert session["therapist_notes"] == "calm"


async def test_patient_id_in_the_query(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str
):
    """`patient_id` is accepted in the query."""
    response = await _send(client, ann, wav(), params={"patient_id": patient_id})
    assert response.status_code == 202
    assert response.json()["patient_id"] == patient_id


@pytest.mark.parametrize(
    ("audio", "fields", "status", "code"),
    [
        (b"", {}, 400, "too_small"),
        (wav()[: MIN_BYTES - 1], {}, 400, "too_small"),
        (None, {}, 400, "no_file"),
        (b"\x89PNG\r\n\x1a\n" * 200, {}, 415, "unsupported_media_type"),
        (recording("audio/flac", MAX_BYTES + 1), {}, 413, "payload_too_large"),
        (recording("audio/flac", 2 * MAX_BYTES), {}, 413, "payload_too_large"),
        (wav(), {"patient_id": str(uuid.uuid4())}, 404, "not_found"),
        (wav(), {"patient_id": "Bo"}, 422, "validation_error"),
        (wav(), {"session_date": "yesterday"}, 422, "validation_error"),
        (wav(), {"notes": "a\0b"}, 422, "validation_error"),
        (wav(), {"note": "misspelt"}, 422, "validation_error"),
        (wav(), {"notes": "x" * 200_000}, 413, "payload_too_large"),
    ],
)
async def test_rejected_upload_leaves_no_data(
    app: FastAPI,
    client: httpx2.AsyncClient,
    ann: dict[str, str],
    *,
    patient_id: str,
    settings: Settings,
    audio: bytes | None,
    fields: dict[str, str],
    status: int,
    code: str,
):
    """A rejected upload has a specific status and code, and leaves no file, row or job."""
    data = {"patient_id": patient_id} | fields
    # At least one file, because httpx2 sends multipart only then.
    files = {"other": b"x"} if audio is None else {"file": ("a.wav", audio)}
    response = await client.post("/api/sessions/upload", headers=ann, data=data, files=files)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert await _rows(app) == (0, 0)
    assert _files(settings) == []


async def test_largest_size_is_accepted(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str
):
    """A recording of exactly MAX_UPLOAD_BYTES is accepted."""
    await upload(client, ann, patient_id, recording("audio/flac", MAX_BYTES))


async def test_large_content_length_is_rejected_before_reading(
    client: httpx2.AsyncClient, ann: dict[str, str]
):
    """A Content-Length above the limit is a 413, and the body is not read."""

    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = {
        **ann,
        "Content-Type": "multipart/form-data; boundary=x",
        "Content-Length": str(2 * MAX_BYTES),
    }
    response = await client.post("/api/sessions/upload", headers=headers, content=body())
    assert response.status_code == 413


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b"nonsense"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\ndata\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + wav(),
        ),
    ],
)
async def test_malformed_form_is_rejected(
    app: FastAPI,
    client: httpx2.AsyncClient,
    ann: dict[str, str],
    *,
    settings: Settings,
    content_type: str,
    body: bytes,
):
    """A form that is malformed or incomplete is a 400 and leaves no data."""
    headers = {**ann, "Content-Type": content_type}
    response = await client.post("/api/sessions/upload", headers=headers, content=body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_form")
    assert await _rows(app) == (0, 0)
    assert _files(settings) == []


async def test_row_and_job_are_one_transaction(
    app: FastAPI,
    client: httpx2.AsyncClient,
    ann: dict[str, str],
    *,
    patient_id: str,
    monkeypatch: pytest.MonkeyPatch,
):
    """If queueing fails, no row is stored."""

    async def fail_after_queueing(*arguments: Any) -> bool:  # noqa: ANN401 -- of enqueue
        await queue.enqueue(*arguments)
        raise Unavailable("the database went away")

    monkeypatch.setattr(endpoints, "enqueue", fail_after_queueing)
    response = await _send(client, ann, wav(), data={"patient_id": patient_id})
    assert response.status_code == 503
    assert await _rows(app) == (0, 0)


async def test_full_disk_is_503(
    app: FastAPI,
    client: httpx2.AsyncClient,
    ann: dict[str, str],
    *,
    patient_id: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
):
    """A recording that cannot be stored is not acknowledged, and leaves no data."""

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    response = await _send(client, ann, wav(), data={"patient_id": patient_id})
    assert (response.status_code, response.json()["error"]["code"]) == (503, "storage_unavailable")
    assert await _rows(app) == (0, 0)
    assert _files(settings) == []


async def test_session_without_a_job_is_requeued(
    app: FastAPI, client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str
):
    """An unfinished session without a job is queued once."""
    await upload(client, ann, patient_id, wav())
    assert await requeue_stuck_sessions(app.state.database) == 0
    async with app.state.database.driver_connection() as connection:
        await connection.execute("DELETE FROM pgqueuer")
    assert await requeue_stuck_sessions(app.state.database) == 1
    assert await requeue_stuck_sessions(app.state.database) == 0
    assert await _rows(app) == (1, 1)


class TestOverTheNetwork:
    """Uploads to a service in a separate process."""

    @pytest.fixture
    async def upload_head(self, server: Service) -> tuple[dict[str, str], str]:
        """Headers of an account, and the id of one of its patients."""
        async with httpx2.AsyncClient(base_url=server.url) as client:
            ann = await account(client)
            created = await client.post("/api/patients/", json={"full_name": "Bo"}, headers=ann)
            return ann, created.json()["id"]

    @pytest.fixture
    def server(self, serve: Callable[..., Service]) -> Service:
        """The service."""
        return serve(MAX_UPLOAD_BYTES=str(100_000_000))

    async def test_large_upload_uses_constant_memory(
        self, server: Service, upload_head: tuple[dict[str, str], str]
    ):
        """Memory of the service grows by less than a quarter of the size of a 64 MB upload."""
        ann, patient_id = upload_head
        assert server._process is not None
        process = psutil.Process(server._process.pid)
        size, chunk = 64 * 1024 * 1024, bytes(1024 * 1024)
        head = (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            + HEADS["audio/flac"]
        )
        peaks = []

        async def body() -> AsyncIterator[bytes]:
            yield head
            for _ in range(size // len(chunk)):
                yield chunk
                peaks.append(process.memory_info().rss)
            yield b"\r\n--x--\r\n"

        before = process.memory_info().rss
        async with httpx2.AsyncClient(base_url=server.url, timeout=60) as client:
            response = await client.post(
                f"/api/sessions/upload?patient_id={patient_id}",
                headers={**ann, "Content-Type": "multipart/form-data; boundary=x"},
                content=body(),
            )
        assert response.status_code == 202
        assert response.json()["size_bytes"] == size + len(HEADS["audio/flac"])
        assert max(peaks) - before < size / 4

    async def test_aborted_upload_leaves_no_data(
        self, server: Service, upload_head: tuple[dict[str, str], str], tmp_path: Path
    ):
        """A connection that is closed during an upload leaves no file and no row."""
        ann, patient_id = upload_head
        head = (
            f"POST /api/sessions/upload?patient_id={patient_id} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: {ann['Authorization']}\r\nContent-Length: 50000000\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
            '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        )
        incoming = tmp_path / "audio" / "incoming"
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head.encode() + recording("audio/flac", 4_000_000))
            await until(lambda: incoming.exists() and any(incoming.iterdir()))
        await until(lambda: not any(incoming.iterdir()))
        async with httpx2.AsyncClient(base_url=server.url) as client:
            assert (await client.get("/api/sessions/", headers=ann)).json() == []
        assert [path for path in (tmp_path / "audio").rglob("*/*") if path.is_file()] == []
