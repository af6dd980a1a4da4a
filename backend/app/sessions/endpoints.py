"""`/api/sessions`: the caller's sessions, from upload to notes."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from app.audio.formats import BY_MEDIA_TYPE
from app.audio.range_response import audio_response
from app.audio.storage import AudioStore
from app.clinical import Therapist, current_therapist
from app.database import Database, DbSession
from app.errors import BadRequest, NotFound, PayloadTooLarge, RateLimited, Unprocessable
from app.jobs.queue import TRANSCRIBE, enqueue
from app.middleware.rate_limit import limiter
from app.openapi.responses import BEARER, BODY, CLINICAL, declare, succeed
from app.patients.repository import get_patient
from app.sessions import repository
from app.sessions.document import CONDITIONS, RECORDING, UPLOAD_FORM
from app.sessions.listing import QUERY_PARAMETERS, list_query, page_response, read_page
from app.sessions.models import Status, TherapySession
from app.sessions.quota import charge
from app.sessions.schemas import SessionChanges, SessionRecord, SessionSummary, UploadAccepted
from app.sessions.upload import Upload, read_upload
from app.settings import Settings
from app.strict_route import StrictRoute

router = APIRouter(prefix="/api/sessions", tags=["sessions"], route_class=StrictRoute)


@router.get(
    "/",
    response_model=list[SessionSummary],
    responses=declare(BadRequest, Unprocessable, *CLINICAL) | succeed(200, "Link"),
    openapi_extra={"parameters": QUERY_PARAMETERS, "security": BEARER},
)
@limiter.limit("default")
async def list_sessions(request: Request) -> Response:
    """List the caller's sessions without transcripts, newest first, with a `Link` to the next."""
    # The most frequent request, so there is only one parameter: each dependency or parameter that
    # FastAPI resolves costs as much as the rate limiter.
    therapist = await current_therapist(request)
    database: Database = request.app.state.database
    query = list_query(request)
    async with database.driver_connection() as connection:
        page = await read_page(connection, therapist.id, query)
    return page_response(request, page)


@router.post(
    "/upload",
    status_code=202,
    response_model=UploadAccepted,
    responses=declare(NotFound, *BODY) | succeed(202, "Location"),
    openapi_extra=UPLOAD_FORM,
)
@limiter.limit("upload")
async def upload_session(
    request: Request,
    response: Response,
    therapist: Therapist,
    patient_id: Annotated[UUID | None, Query(include_in_schema=False)] = None,
) -> UploadAccepted:
    """Upload a recording. After the 202 it is stored durably and its transcription is queued.

    `patient_id` can also be sent in the query, where it is checked before the body is received.
    """
    database: Database = request.app.state.database
    settings: Settings = request.app.state.settings

    async def check_patient(patient_id: UUID) -> None:
        async with database.session() as session:
            await get_patient(session, therapist.id, patient_id)

    await request.app.state.storage_owner.require()
    store = _store(request)
    async with store.create_incoming() as file:
        upload = Upload(
            file,
            max_bytes=settings.max_upload_bytes,
            max_duration_s=settings.max_recording_s,
            check_patient=check_patient,
            patient_id=patient_id,
        )
        fields = await read_upload(upload, request)
        assert upload.audio_format is not None
        session_id = uuid.uuid4()
        await file.store_as(session_id)
        accepted = UploadAccepted(
            id=session_id,
            patient_id=fields.patient_id,
            session_date=fields.session_date or datetime.now(UTC),
            status=Status.UPLOADING,
            sha256=file.sha256,
            size_bytes=file.size_bytes,
            media_type=upload.audio_format.media_type,
        )
        # If this transaction fails, maintenance sets the file aside. This code does not delete it,
        # because a commit may have succeeded without a response. A refused row is certain.
        async with database.session() as session:
            values = {**accepted.model_dump(), "therapist_notes": fields.notes}
            row = insert(TherapySession).values(therapist_id=therapist.id, **values)
            try:
                await session.execute(row)
                await charge(
                    session,
                    therapist.id,
                    settings,
                    size_bytes=file.size_bytes,
                    duration_s=upload.duration_s,
                )
            except (IntegrityError, PayloadTooLarge, RateLimited):
                await asyncio.to_thread(store.remove, session_id)
                raise
            await enqueue(session, TRANSCRIBE, session_id)
    response.headers["Location"] = f"{router.prefix}/{session_id}"
    return accepted


@router.get("/{session_id:uuid}", response_model=SessionRecord)
@limiter.limit("default")
async def get_session(
    request: Request, therapist: Therapist, session: DbSession, session_id: UUID
) -> TherapySession:
    """Return one session of the caller, with its transcript."""
    return await repository.get_session(session, therapist.id, session_id)


@router.patch("/{session_id:uuid}", response_model=SessionRecord)
@limiter.limit("default")
async def change_session(
    request: Request,
    therapist: Therapist,
    session: DbSession,
    session_id: UUID,
    changes: SessionChanges,
) -> TherapySession:
    """Change date or therapist notes of a session; omitted fields keep their value."""
    record = await repository.get_session(session, therapist.id, session_id)
    return await repository.change_session(session, record, changes.model_dump(exclude_unset=True))


@router.get(
    "/{session_id:uuid}/audio",
    response_class=Response,
    responses=RECORDING,
    openapi_extra=CONDITIONS,
)
@router.head(
    "/{session_id:uuid}/audio",
    response_class=Response,
    responses=RECORDING,
    openapi_extra=CONDITIONS,
)
@limiter.limit("default")
async def get_audio(
    request: Request, therapist: Therapist, session: DbSession, session_id: UUID
) -> Response:
    """Return the recording unchanged. Supports Range, If-Range and If-None-Match."""
    record = await repository.get_session(session, therapist.id, session_id)
    if record.sha256 is None or record.media_type is None:
        raise NotFound("This session has no recording.", code="no_recording")
    try:
        return await asyncio.to_thread(
            audio_response,
            request,
            _store(request).path(session_id),
            name=f"session-{session_id}{BY_MEDIA_TYPE[record.media_type].suffix}",
            media_type=record.media_type,
            sha256=record.sha256,
        )
    except FileNotFoundError as error:
        raise NotFound("The recording is missing.", code="recording_lost") from error


def _store(request: Request) -> AudioStore:
    return AudioStore(request.app.state.settings.storage_dir)
