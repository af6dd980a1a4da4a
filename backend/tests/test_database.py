"""Connections that PostgreSQL refuses."""

import asyncpg
import pytest
from app import pooler
from app.database import Database
from app.errors import Unavailable
from app.settings import load_settings
from sqlalchemy import text


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        ConnectionRefusedError(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("detected", [True, False])
async def test_refused_connection_is_a_503(
    error: Exception, monkeypatch: pytest.MonkeyPatch, *, detected: bool
):
    """A server that is starting, full or gone is a 503, with SQLAlchemy and without it."""

    async def refuse(*_: object, **__: object) -> None:
        raise error

    settings = load_settings(
        database_url="postgresql://ann@127.0.0.1:1/none",
        db_transaction_pooler=False if detected else None,
    )
    monkeypatch.setattr(pooler, "_connect", refuse)
    database = Database(settings)
    with pytest.raises(Unavailable) as raised:
        async with database.session() as session:
            await session.execute(text("SELECT 1"))
    assert raised.value.code == "database_unavailable"
    with pytest.raises(Unavailable):
        async with database.driver_connection():
            pass
    await database.close()
