"""Services that use their database badly; what happens in the database itself is in `beside.py`."""

import orjson
from app.database import Database
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.performance.proving.planting import Kept, chance, is_list, is_read, planted, set_to


def n_plus_one() -> FastAPI:
    """The list asks the database for the patient of each of its rows, one after the other."""

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_list(scope):
            await app(scope, receive, send)
            return
        kept = Kept()
        await app(scope, receive, kept)
        database: Database = scope["app"].state.database
        async with database.driver_connection() as connection:
            for row in orjson.loads(kept.body) if kept.status == 200 else ():
                await connection.fetchrow(
                    "SELECT full_name FROM patients WHERE id = $1", row["patient_id"]
                )
        await kept.pass_on(send)

    return planted(answer)


def small_pool() -> FastAPI:
    """Two database connections and no more, fewer than the settings allow."""
    return set_to(db_pool_size=2, db_max_overflow=0)


def connections_leaked() -> FastAPI:
    """1 % of the reads take a database connection and never give it back."""
    hit = chance(0.01)
    taken = []

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_read(scope) and hit():
            database: Database = scope["app"].state.database
            taken.append(await database.pool.checkout())
        await app(scope, receive, send)

    return planted(answer)
