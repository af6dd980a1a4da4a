"""The audio storage: its owner, orphans, and full disks."""

import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from app.audio import owner as owner_module
from app.audio.owner import ForeignStorage, StorageOwner
from app.audio.storage import AudioStore
from app.database import Database
from app.jobs.maintenance import tidy_storage
from app.main import create_app
from app.metrics import render
from app.settings import Settings
from fastapi import FastAPI
from recordings import make_patient, upload, wav
from service import BACKEND, Service, account
from small_disk import CannotMount, fill, small_disk
from straingauge.target.ports import free_port
from test_metrics import numbers

Open = Callable[..., Awaitable[httpx2.AsyncClient]]
DAY_S = 86400.0


@pytest.fixture
def store(settings: Settings) -> AudioStore:
    """The storage of the service."""
    return AudioStore(settings.storage_dir)


@pytest.fixture
def tidy(app: FastAPI, store: AudioStore) -> Callable[..., Awaitable[None]]:
    """Tidies the storage of the service, with orphans kept for a day."""
    state = app.state
    return partial(tidy_storage, state.database, store, state.storage_owner, keep_orphans_s=DAY_S)


def orphan_in(store: AudioStore, *, age_s: float = DAY_S) -> uuid.UUID:
    """Create a recording without a session; return its id."""
    session_id = uuid.uuid4()
    path = store.path(session_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav())
    os.utime(path, (0, time.time() - age_s))
    return session_id


def counted(event: str) -> float:
    """Return one of the counters of orphans."""
    return numbers(render(None).decode(), f"storage_orphans_{event}_total").get("", 0.0)


class TestOrphans:
    """Recordings that seem to belong to no session."""

    async def test_orphan_is_set_aside_and_kept(
        self, store: AudioStore, settings: Settings, tidy: Callable[..., Awaitable[None]]
    ):
        """An orphan is moved to `orphaned/`, counted, and deleted at the end of its retention."""
        orphan = orphan_in(store)
        before = counted("set_aside"), counted("deleted")
        await tidy()
        aside = settings.storage_dir / "orphaned" / orphan.hex
        assert not store.path(orphan).exists()
        assert aside.read_bytes() == wav()
        await tidy()
        assert aside.exists()
        os.utime(aside, (0, time.time() - DAY_S - 60))
        await tidy()
        assert not aside.exists()
        assert (counted("set_aside"), counted("deleted")) == (before[0] + 1, before[1] + 1)

    async def test_new_file_may_still_get_a_session(
        self, store: AudioStore, tidy: Callable[..., Awaitable[None]]
    ):
        """A file without a session is not an orphan in its first hour."""
        young = orphan_in(store, age_s=1800)
        await tidy()
        assert store.path(young).exists()

    async def test_recordings_of_sessions_are_kept(
        self,
        client: httpx2.AsyncClient,
        ann: dict[str, str],
        *,
        patient_id: str,
        store: AudioStore,
        settings: Settings,
        tidy: Callable[..., Awaitable[None]],
    ):
        """Recordings of sessions are kept; only stale temporary files of uploads are deleted."""
        session_id = uuid.UUID(await upload(client, ann, patient_id, wav()))
        stale = settings.storage_dir / "incoming" / uuid.uuid4().hex
        stale.write_bytes(b"half")
        foreign = settings.storage_dir / "incoming" / "letter.txt"
        foreign.write_text("not ours")
        await tidy(older_than_s=-1)
        assert store.path(session_id).read_bytes() == wav()
        assert (stale.exists(), foreign.exists()) == (False, True)

    async def test_orphan_with_a_session_is_restored(
        self,
        client: httpx2.AsyncClient,
        ann: dict[str, str],
        *,
        patient_id: str,
        store: AudioStore,
        tidy: Callable[..., Awaitable[None]],
    ):
        """A recording that was set aside returns when its session appears in the database."""
        session_id = uuid.UUID(await upload(client, ann, patient_id, wav()))
        store.set_aside([session_id])
        assert not store.path(session_id).exists()
        await tidy()
        assert store.path(session_id).read_bytes() == wav()


class TestOwner:
    """The database that a storage belongs to."""

    @pytest.fixture
    def other_url(self, make_database: Callable[[], str]) -> str:
        """URL of another database."""
        return make_database()

    async def test_service_of_another_database_refuses_to_start(
        self,
        app: FastAPI,
        client: httpx2.AsyncClient,
        ann: dict[str, str],
        *,
        patient_id: str,
        store: AudioStore,
        other_url: str,
        make_settings: Callable[..., Settings],
    ):
        """A service of another database refuses to start, and leaves the recordings alone."""
        session_id = uuid.UUID(await upload(client, ann, patient_id, wav()))
        other = create_app(make_settings(database_url=other_url))
        with pytest.raises(ForeignStorage, match=r"STORAGE_DIR: .* Set STORAGE_DIR to another"):
            async with other.router.lifespan_context(other):
                pass
        await app.state.storage_owner.check()
        assert store.path(session_id).exists()

    def test_refused_start_is_one_message(self, serve: Callable[..., Service], other_url: str):
        """The second service on a storage exits with a message and no traceback."""
        first = serve()
        with pytest.raises(RuntimeError, match="Set STORAGE_DIR to another directory") as refused:
            serve(DATABASE_URL=other_url)
        assert "Traceback" not in str(refused.value)
        assert first.get("/ready")[0] == 200

    async def test_services_of_one_database_share_a_storage(
        self, open_client: Open, database_url: str
    ):
        """Several services of one database share a storage, whatever their addresses for it."""
        await open_client()
        other = database_url.replace("127.0.0.1", "localhost")
        assert (await (await open_client(database_url=other)).get("/ready")).status_code == 200

    async def test_copied_database_is_another_database(
        self,
        app: FastAPI,
        database_url: str,
        server_url: str,
        make_settings: Callable[..., Settings],
    ):
        """A copy of a database, with its identity, is refused on the storage of the original."""
        await app.state.database.close()
        name = f"copy_{uuid.uuid4().hex}"
        admin = await asyncpg.connect(server_url)
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {database_url.rsplit('/', 1)[1]}")
        try:
            settings = make_settings(database_url=f"{database_url.rsplit('/', 1)[0]}/{name}")
            database = Database(settings)
            with pytest.raises(ForeignStorage):
                await StorageOwner(settings, database).check()
            await StorageOwner(settings, database).adopt()
            await StorageOwner(settings, database).check()
            await database.close()
        finally:
            await admin.execute(f"DROP DATABASE {name}")
            await admin.close()
        with pytest.raises(ForeignStorage):
            await app.state.storage_owner.check()

    @pytest.mark.parametrize("known", [True, False])
    async def test_storage_without_owner(
        self,
        app: FastAPI,
        client: httpx2.AsyncClient,
        ann: dict[str, str],
        *,
        patient_id: str,
        settings: Settings,
        store: AudioStore,
        known: bool,
    ):
        """A storage without an owner is claimed if it is empty or the database knows of it."""
        (settings.storage_dir / "owner").unlink()
        orphan_in(store)
        if known:
            app.state.storage_owner._confirmed = True
            await upload(client, ann, patient_id, wav())
            await app.state.storage_owner.check()
        else:
            with pytest.raises(ForeignStorage, match="does not know"):
                await app.state.storage_owner.check()
        assert (settings.storage_dir / "owner").exists() == known

    async def test_tidying_refuses_a_foreign_storage(
        self, settings: Settings, store: AudioStore, tidy: Callable[..., Awaitable[None]]
    ):
        """A storage whose owner changes while the service runs is not tidied."""
        (settings.storage_dir / "owner").write_text(f"{uuid.uuid4()}\n")
        orphan = orphan_in(store)
        with pytest.raises(ForeignStorage):
            await tidy(older_than_s=-1)
        assert store.path(orphan).exists()

    async def test_storage_of_another_database_takes_no_upload(
        self,
        app: FastAPI,
        client: httpx2.AsyncClient,
        ann: dict[str, str],
        *,
        patient_id: str,
        settings: Settings,
    ):
        """Uploads are a 503 if the service started without its database, on a foreign storage."""
        app.state.storage_owner._confirmed = False
        (settings.storage_dir / "owner").write_text(f"{uuid.uuid4()}\n")
        response = await _send(client, ann, patient_id)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "storage_unavailable"

    async def test_start_without_a_database_is_not_refused(self, open_client: Open):
        """Without its database a service starts, and decides later."""
        url = f"postgresql://postgres@127.0.0.1:{free_port()}/nowhere"
        assert (await (await open_client(database_url=url)).get("/live")).status_code == 200

    @pytest.mark.e2e
    def test_adopt_command(self, database_url: str, tmp_path: Path):
        """`python -m app.audio.owner --adopt` gives a storage to the database of the settings."""
        (tmp_path / "owner").write_text(f"{uuid.uuid4()}\n")
        environment = os.environ | {"DATABASE_URL": database_url, "STORAGE_DIR": str(tmp_path)}
        run = partial(
            subprocess.run,
            cwd=BACKEND,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        command = [sys.executable, "-m", owner_module.__name__]
        refused = run(command)
        assert refused.returncode == 1
        assert re.fullmatch(r"STORAGE_DIR: .*\n", refused.stderr)
        assert run([*command, "--adopt"]).returncode == 0
        assert run(command).returncode == 0


async def _send(
    client: httpx2.AsyncClient,
    ann: dict[str, str],
    patient_id: str,
    audio: bytes = wav(),
) -> httpx2.Response:
    return await client.post(
        "/api/sessions/upload",
        headers=ann,
        data={"patient_id": patient_id},
        files={"file": ("a.wav", audio, "audio/wav")},
    )


class TestFullDisk:
    """A storage on a disk that is full, or cannot be used."""

    @pytest.mark.parametrize("size_bytes", [3_000_000, 1_500_000])
    async def test_upload_to_a_full_disk_leaves_nothing_behind(
        self, open_client: Open, tmp_path: Path, size_bytes: int
    ):
        """An upload that fills the disk is a 503 and leaves no file; with space it succeeds."""
        audio = wav()[:44] + bytes(size_bytes)
        try:
            with small_disk(tmp_path / "disk", 1_400_000) as disk:
                client = await open_client(storage_dir=disk / "audio", max_upload_bytes=10**7)
                ann, patient_id = await _ann(client)
                response = await _send(client, ann, patient_id, audio)
                assert response.status_code == 503
                assert response.json()["error"]["code"] == "storage_unavailable"
                assert response.headers["retry-after"]
                assert [path for path in disk.rglob("*/*/*") if path.is_file()] == []
                assert (await _send(client, ann, patient_id)).status_code == 202
                filler = fill(disk)
                assert (await _send(client, ann, patient_id)).status_code == 503
                filler.unlink()
                assert (await _send(client, ann, patient_id)).status_code == 202
        except CannotMount as error:
            pytest.skip(f"no small disk: {error}")

    async def test_folder_that_cannot_be_made_is_retried(self, open_client: Open, tmp_path: Path):
        """A service whose storage cannot be created starts, and takes uploads once it can be."""
        obstacle = tmp_path / "obstacle"
        obstacle.write_text("a file")
        client = await open_client(storage_dir=obstacle / "audio")
        ann, patient_id = await _ann(client)
        response = await _send(client, ann, patient_id)
        assert (response.status_code, response.json()["error"]["code"]) == (
            503,
            "storage_unavailable",
        )
        obstacle.unlink()
        assert (await _send(client, ann, patient_id)).status_code == 202


async def _ann(client: httpx2.AsyncClient) -> tuple[dict[str, str], Any]:
    """Create Ann's account with a patient; return her headers and the patient's id."""
    ann = await account(client)
    return ann, await make_patient(client, ann)
