"""The database that owns the audio storage: docs/decisions/0014.

Recordings without a row look like orphans, so a service must never tidy up the storage of another
database. The file `owner` in the storage has the identity of its database. The identity lies in
the database, with the place where it was made: the cluster and the database's number in it. A
copy (from a template or a dump) has another place, and gets another identity.

`python -m app.audio.owner --adopt` gives the storage to the database of DATABASE_URL.
"""

import argparse
import asyncio
import logging
import sys
import uuid

import asyncpg

from app.audio.storage import AudioStore, storage_unavailable
from app.database import Database
from app.errors import Unavailable
from app.first_file import create_first
from app.settings import Settings, get_settings
from app.startup import StartRefused

logger = logging.getLogger(__name__)

_SAMPLE = 1000
"""Recordings looked up in the database if a storage has no owner. They are far from all, but ids
are random, so a single one that the database knows is proof."""

_IDENTIFY = """
    INSERT INTO database_identity AS stored (id, location)
    SELECT gen_random_uuid(), (SELECT system_identifier FROM pg_control_system()) || '/' || oid
    FROM pg_database WHERE datname = current_database()
    ON CONFLICT (singleton) DO UPDATE SET
        id = CASE WHEN stored.location = excluded.location THEN stored.id ELSE excluded.id END,
        location = excluded.location
    RETURNING id
"""


class ForeignStorage(StartRefused):
    """The storage belongs to another database; the message says what to do."""


class StorageOwner:
    """The claim of a database on the storage of the settings."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._root = settings.storage_dir
        self._marker = settings.storage_dir / "owner"
        self._database = database
        self._confirmed = False

    async def check(self) -> None:
        """Check that the storage belongs to the database, and claim a new one.

        Raises:
            ForeignStorage: It belongs to another database, or seems to.
            OSError: The storage cannot be created or read.
            Unavailable: The database is unavailable.
        """
        async with self._database.driver_connection() as connection:
            identity = await connection.fetchval(_IDENTIFY)
        assert isinstance(identity, uuid.UUID)
        owner = await asyncio.to_thread(self._read)
        if owner is None:
            await self._check_recordings()
            owner = await asyncio.to_thread(self._claim, identity)
        self._confirmed = owner == str(identity)
        if not self._confirmed:
            raise ForeignStorage(self._refusal(f"belongs to the database {owner}"))

    async def require(self) -> None:
        """Check the storage once, before the first recording is stored.

        Raises:
            Unavailable: It cannot be used; the log says why.
        """
        if self._confirmed:
            return
        try:
            await self.check()
        except (ForeignStorage, OSError) as error:
            logger.error("no recording can be stored: %s", error)  # noqa: TRY400 -- no stack: the message says what to do
            raise storage_unavailable() from error

    async def adopt(self) -> None:
        """Give the storage to the database, whatever it belonged to."""
        await asyncio.to_thread(self._marker.unlink, missing_ok=True)
        async with self._database.driver_connection() as connection:
            identity = await connection.fetchval(_IDENTIFY)
        assert isinstance(identity, uuid.UUID)
        await asyncio.to_thread(self._claim, identity)

    async def _check_recordings(self) -> None:
        """Refuse a storage of unknown recordings, as another database may own them."""
        ids = await asyncio.to_thread(AudioStore(self._root).sample, _SAMPLE)
        if not ids:
            return
        async with self._database.driver_connection() as connection:
            known = await connection.fetchval(
                "SELECT EXISTS (SELECT FROM sessions WHERE id = ANY($1))", ids
            )
        if not known:
            raise ForeignStorage(
                self._refusal("has recordings that the database of DATABASE_URL does not know")
            )

    def _refusal(self, reason: str) -> str:
        return (
            f"STORAGE_DIR: {self._root} {reason}. Set STORAGE_DIR to another directory, one for"
            " each database. If no other service uses this one, for example because the database"
            " was restored from a backup, run: python -m app.audio.owner --adopt"
        )

    def _read(self) -> str | None:
        try:
            return self._marker.read_text().strip()
        except FileNotFoundError:
            return None

    def _claim(self, identity: uuid.UUID) -> str:
        """Write the marker unless another process was first; return the owner."""
        create_first(self._marker, f"{identity}\n")
        return self._read() or ""


async def check_at_start(owner: StorageOwner) -> None:
    """Check the storage if the database is available; else the first upload does.

    Raises:
        ForeignStorage: The storage belongs to another database.
    """
    try:
        await owner.check()
    except (Unavailable, asyncpg.UndefinedTableError):
        logger.info("the owner of the storage is checked when the database is available")
    except OSError as error:
        logger.error("STORAGE_DIR cannot be used: %s; uploads are a 503 until it can", error)  # noqa: TRY400 -- no stack: the cause lies in the file system


def main(arguments: list[str] | None = None) -> None:
    """Check or adopt the storage."""
    parser = argparse.ArgumentParser(prog="python -m app.audio.owner", description=__doc__)
    parser.add_argument("--adopt", action="store_true", help="give the storage to the database")
    adopt = parser.parse_args(arguments).adopt
    settings = get_settings()

    async def run() -> None:
        database = Database(settings)
        owner = StorageOwner(settings, database)
        try:
            await (owner.adopt() if adopt else owner.check())
        finally:
            await database.close()

    try:
        asyncio.run(run())
    except (ForeignStorage, OSError, Unavailable, asyncpg.PostgresError) as error:
        raise SystemExit(str(error)) from None
    sys.stdout.write(f"{settings.storage_dir} belongs to the database of DATABASE_URL\n")


if __name__ == "__main__":
    main()
