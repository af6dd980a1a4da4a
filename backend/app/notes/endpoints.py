"""`/api/sessions/{id}/notes` and `/extract-notes`."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.clinical import Therapist
from app.database import DbSession
from app.errors import Conflict, NotFound
from app.jobs.queue import EXTRACT_NOTES, enqueue
from app.middleware.rate_limit import limiter
from app.notes import repository
from app.notes.schemas import StoredNotes
from app.openapi.responses import declare, succeed
from app.sessions.models import Status
from app.sessions.repository import get_session
from app.sessions.schemas import ExtractionAccepted
from app.strict_route import StrictRoute

router = APIRouter(prefix="/api/sessions", tags=["notes"], route_class=StrictRoute)


@router.get("/{session_id:uuid}/notes")
@limiter.limit("default")
async def get_notes(
    request: Request, therapist: Therapist, session: DbSession, session_id: UUID
) -> StoredNotes:
    """Return the notes of a session; 404 if there are none yet."""
    notes = await repository.get_notes(session, therapist.id, session_id)
    if notes is None:
        raise NotFound("This session has no notes, or does not exist.")
    return StoredNotes(session_id=session_id, created_at=notes.created_at, **notes.content)


@router.post(
    "/{session_id:uuid}/extract-notes",
    status_code=202,
    responses=declare(Conflict) | succeed(202, "Location"),
)
@limiter.limit("default")
async def extract_notes(
    request: Request,
    response: Response,
    therapist: Therapist,
    session: DbSession,
    session_id: UUID,
) -> ExtractionAccepted:
    """Queue the extraction of notes. While a job is queued, further calls return the same job."""
    record = await get_session(session, therapist.id, session_id, lock=True)
    if record.transcript is None:
        raise Conflict("This session has no transcript yet.", code="no_transcript")
    queued = await enqueue(session, EXTRACT_NOTES, session_id)
    if queued:
        record.status = Status.EXTRACTING_NOTES
        record.failure_reason = None
    response.headers["Location"] = f"{router.prefix}/{session_id}/notes"
    return ExtractionAccepted(id=session_id, status=record.status, already_queued=not queued)
