"""Faults in the handling of stored data."""

import uuid
from datetime import UTC, datetime

from app.database import Database
from app.sessions.models import TherapySession
from app.sessions.schemas import SessionRecord
from fastapi import FastAPI
from sqlalchemy import select
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.performance.fault_injection.wrappers import (
    BufferedResponse,
    drain,
    is_session,
    is_upload,
    wrap,
)


def uploads_not_stored() -> FastAPI:
    """Acknowledge uploads and discard them."""

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_upload(scope):
            await app(scope, receive, send)
            return
        await drain(receive)
        body = {
            "id": str(uuid.uuid4()),
            "status": "uploading",
            "session_date": datetime.now(UTC).isoformat(),
        }
        await JSONResponse(body, status_code=202)(scope, receive, send)

    return wrap(handler)


def uploads_duplicated() -> FastAPI:
    """Store each upload twice, like a proxy that retries it."""

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_upload(scope):
            await app(scope, receive, send)
            return
        messages: list[Message] = []

        async def receive_and_record() -> Message:
            messages.append(await receive())
            return messages[-1]

        async def replay() -> Message:
            return messages.pop(0)

        response = BufferedResponse()
        await app({**scope, "state": {}}, receive_and_record, response)
        if response.status == 202:
            await app({**scope, "state": {}}, replay, BufferedResponse())
        await response.send_to(send)

    return wrap(handler)


def uploads_altered() -> FastAPI:
    """Flip one bit of each recording that is downloaded."""

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].endswith("/audio"):
            await app(scope, receive, send)
            return
        response = BufferedResponse()
        await app(scope, receive, response)
        if response.body:
            response.body = bytes([response.body[0] ^ 1]) + response.body[1:]
        await response.send_to(send)

    return wrap(handler)


def tenants_mixed() -> FastAPI:
    """Return any session by its id, without a check of its owner."""

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        response = BufferedResponse()
        if not is_session(scope):
            await app(scope, receive, send)
            return
        await app(scope, receive, response)
        record = await _find_session(scope) if response.status == 404 else None
        if record is None:
            await response.send_to(send)
        else:
            body = SessionRecord.model_validate(record).model_dump_json()
            await Response(body, media_type="application/json")(scope, receive, send)

    return wrap(handler)


async def _find_session(scope: Scope) -> TherapySession | None:
    database: Database = scope["app"].state.database
    session_id = uuid.UUID(scope["path"].rsplit("/", 1)[1])
    async with database.session() as session:
        rows = await session.scalars(select(TherapySession).where(TherapySession.id == session_id))
        return rows.one_or_none()
