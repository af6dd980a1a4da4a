"""Services that do something else with what they were given than they say."""

import uuid
from datetime import UTC, datetime

from app.database import Database
from app.sessions.models import TherapySession
from app.sessions.schemas import SessionRecord
from fastapi import FastAPI
from sqlalchemy import select
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.performance.proving.planting import Kept, is_session, is_upload, planted


def uploads_not_stored() -> FastAPI:
    """Each upload is acknowledged and thrown away."""

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_upload(scope):
            await app(scope, receive, send)
            return
        while (await receive()).get("more_body"):
            pass  # the client is heard out, as the real endpoint does
        said = {
            "id": str(uuid.uuid4()),
            "status": "uploading",
            "session_date": datetime.now(UTC).isoformat(),
        }
        await JSONResponse(said, status_code=202)(scope, receive, send)

    return planted(answer)


def uploads_doubled() -> FastAPI:
    """Each upload is stored twice, as by a proxy that sends it again."""

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_upload(scope):
            await app(scope, receive, send)
            return
        messages: list[Message] = []

        async def listening() -> Message:
            messages.append(await receive())
            return messages[-1]

        async def again() -> Message:
            return messages.pop(0)

        kept = Kept()
        await app({**scope, "state": {}}, listening, kept)
        if kept.status == 202:
            await app({**scope, "state": {}}, again, Kept())
        await kept.pass_on(send)

    return planted(answer)


def uploads_altered() -> FastAPI:
    """One bit of each recording is another when it is fetched again."""

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].endswith("/audio"):
            await app(scope, receive, send)
            return
        kept = Kept()
        await app(scope, receive, kept)
        if kept.body:
            kept.body = bytes([kept.body[0] ^ 1]) + kept.body[1:]
        await kept.pass_on(send)

    return planted(answer)


def tenants_mixed() -> FastAPI:
    """Whoever knows the id of a session can read it, whose ever it is."""

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        kept = Kept()
        if not is_session(scope):
            await app(scope, receive, send)
            return
        await app(scope, receive, kept)
        found = await _anybodys(scope) if kept.status == 404 else None
        if found is None:
            await kept.pass_on(send)
        else:
            body = SessionRecord.model_validate(found).model_dump_json()
            await Response(body, media_type="application/json")(scope, receive, send)

    return planted(answer)


async def _anybodys(scope: Scope) -> TherapySession | None:
    database: Database = scope["app"].state.database
    wanted = uuid.UUID(scope["path"].rsplit("/", 1)[1])
    async with database.session() as session:
        found = await session.scalars(select(TherapySession).where(TherapySession.id == wanted))
        return found.one_or_none()
