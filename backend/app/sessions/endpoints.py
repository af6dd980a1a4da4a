"""`/api/sessions`: a therapist's own sessions, from upload to notes."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import insert

from app.audio.answer import audio_response
from app.audio.kinds import BY_MEDIA_TYPE
from app.audio.storage import AudioStore
from app.auth.tokens import Principal
from app.clinical import Therapist, therapist_of
from app.database import Database, DbSession
from app.errors import NotFound
from app.jobs.queue import TRANSCRIBE, enqueue
from app.middleware.rate_limit import limiter
from app.patients.repository import get_patient
from app.sessions import repository
from app.sessions.listing import QUERY_PARAMETERS, list_query, page_response, read_page
from app.sessions.models import Status, TherapySession
from app.sessions.schemas import SessionChanges, SessionRecord, SessionSummary, UploadAccepted
from app.sessions.upload import Upload, read_upload

router = APIRouter(prefix="/api/sessions", tags=["sessions"])

# FastAPI would read the whole form before the endpoint runs; so it is described here by hand.
_UPLOAD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "patient_id": {"type": "string", "format": "uuid"},
                        "session_date": {"type": "string", "format": "date-time"},
                        "notes": {"type": "string", "maxLength": 20000},
                    },
                }
            }
        },
    }
}
_RECORDING: dict[int | str, dict[str, Any]] = {
    200: {"content": {"audio/*": {}}, "description": "The recording, byte for byte."},
    206: {"content": {"audio/*": {}}, "description": "The bytes of the Range."},
    304: {"description": "The client has it already (If-None-Match)."},
    416: {"description": "The recording has no such bytes."},
}


@router.get(
    "/", response_model=list[SessionSummary], openapi_extra={"parameters": QUERY_PARAMETERS}
)
async def list_sessions(request: Request) -> Response:
    """The caller's sessions without transcripts, newest first; `Link: rel="next"` leads on."""
    # The hottest endpoint takes nothing but the request: each dependency or parameter that FastAPI
    # resolves costs as much as the limiter.
    return await _list_sessions(request=request, therapist=await therapist_of(request))


@limiter.limit("default")
async def _list_sessions(request: Request, therapist: Principal) -> Response:
    database: Database = request.app.state.database
    query = list_query(request)
    async with database.driver() as connection:
        page = await read_page(connection, therapist.id, query)
    return page_response(request, page)


@router.post("/upload", status_code=202, response_model=UploadAccepted, openapi_extra=_UPLOAD_FORM)
@limiter.limit("upload")
async def upload_session(
    request: Request,
    therapist: Therapist,
    patient_id: Annotated[UUID | None, Query(description="Here or in the form.")] = None,
) -> UploadAccepted:
    """Take in a recording. With the 202 it is durable, and its transcription is queued."""
    database: Database = request.app.state.database

    async def check_patient(wanted: UUID) -> None:
        async with database.session() as session:
            await get_patient(session, therapist.id, wanted)

    store = _store(request)
    async with store.receive() as file:
        upload = Upload(
            file,
            max_bytes=request.app.state.settings.max_upload_bytes,
            check_patient=check_patient,
            fields={} if patient_id is None else {"patient_id": str(patient_id)},
        )
        fields = await read_upload(upload, request)
        assert upload.kind is not None
        session_id = uuid.uuid4()
        await file.keep(session_id)
        accepted = UploadAccepted(
            id=session_id,
            patient_id=fields.patient_id,
            session_date=fields.session_date or datetime.now(UTC),
            status=Status.UPLOADING,
            sha256=file.sha256,
            size_bytes=file.size_bytes,
            media_type=upload.kind.media_type,
        )
        # The row and its job are one transaction. If it fails the file is an orphan, to be swept:
        # it is not removed here, because a commit whose answer is lost may still have happened.
        async with database.session() as session:
            values = {**accepted.model_dump(), "therapist_notes": fields.notes}
            await session.execute(
                insert(TherapySession).values(therapist_id=therapist.id, **values)
            )
            await enqueue(session, TRANSCRIBE, session_id)
    return accepted


@router.get("/{session_id}", response_model=SessionRecord)
@limiter.limit("default")
async def get_session(
    request: Request, therapist: Therapist, session: DbSession, session_id: UUID
) -> TherapySession:
    """One whole session of the caller's."""
    return await repository.get_session(session, therapist.id, session_id)


@router.patch("/{session_id}", response_model=SessionRecord)
@limiter.limit("default")
async def change_session(
    request: Request,
    therapist: Therapist,
    session: DbSession,
    session_id: UUID,
    changes: SessionChanges,
) -> TherapySession:
    """Change date or own notes of a session of the caller's; fields left out stay as they are."""
    found = await repository.get_session(session, therapist.id, session_id)
    return await repository.change_session(session, found, changes.model_dump(exclude_unset=True))


@router.get("/{session_id}/audio", response_class=Response, responses=_RECORDING)
@router.head("/{session_id}/audio", include_in_schema=False)
@limiter.limit("default")
async def get_audio(
    request: Request, therapist: Therapist, session: DbSession, session_id: UUID
) -> Response:
    """The stored recording, byte for byte; Range, If-Range and If-None-Match are honoured."""
    found = await repository.get_session(session, therapist.id, session_id)
    if found.sha256 is None or found.media_type is None:
        raise NotFound("This session has no recording.", code="no_recording")
    try:
        return await asyncio.to_thread(
            audio_response,
            request,
            _store(request).path(session_id),
            name=f"session-{session_id}{BY_MEDIA_TYPE[found.media_type].suffix}",
            media_type=found.media_type,
            sha256=found.sha256,
        )
    except FileNotFoundError as error:
        raise NotFound("The recording is lost.", code="recording_lost") from error


def _store(request: Request) -> AudioStore:
    return AudioStore(request.app.state.settings.storage_dir)
