"""`/api/patients`: the caller's patients."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.clinical import Therapist
from app.database import DbSession
from app.errors import BadRequest
from app.middleware.rate_limit import limiter
from app.openapi.responses import declare, succeed
from app.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
    next_link,
)
from app.patients import repository
from app.patients.models import Patient
from app.patients.schemas import NewPatient, PatientChanges, PatientRecord
from app.sessions.listing import ListQuery, page_response, read_page
from app.sessions.schemas import SessionSummary
from app.strict_route import StrictRoute

router = APIRouter(prefix="/api/patients", tags=["patients"], route_class=StrictRoute)


@router.get(
    "/", response_model=list[PatientRecord], responses=declare(BadRequest) | succeed(200, "Link")
)
@limiter.limit("default")
async def list_patients(
    request: Request,
    response: Response,
    therapist: Therapist,
    session: DbSession,
    *,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> list[Patient]:
    """List the caller's patients by name, in pages."""
    after = None
    if cursor is not None:
        # It has no name, because URLs reach the logs of proxies and the history of browsers.
        _, last_id = decode_cursor(cursor)
        after = await repository.find_patient(session, therapist.id, last_id)
        if after is None:
            raise invalid_cursor()
    rows = await repository.list_patients(session, therapist.id, limit=limit + 1, after=after)
    page = list(rows[:limit])
    if len(rows) > limit:
        response.headers.update(next_link(request, encode_cursor("", page[-1].id)))
    return page


@router.post("/", status_code=201, response_model=PatientRecord, responses=succeed(201, "Location"))
@limiter.limit("default")
async def add_patient(
    request: Request,
    response: Response,
    therapist: Therapist,
    session: DbSession,
    patient: NewPatient,
) -> Patient:
    """Create a patient."""
    created = await repository.add_patient(session, therapist.id, patient.model_dump())
    response.headers["Location"] = f"{router.prefix}/{created.id}"
    return created


@router.get("/{patient_id:uuid}", response_model=PatientRecord)
@limiter.limit("default")
async def get_patient(
    request: Request, therapist: Therapist, session: DbSession, patient_id: UUID
) -> Patient:
    """Return one patient of the caller."""
    return await repository.get_patient(session, therapist.id, patient_id)


@router.patch("/{patient_id:uuid}", response_model=PatientRecord)
@limiter.limit("default")
async def change_patient(
    request: Request,
    therapist: Therapist,
    session: DbSession,
    patient_id: UUID,
    changes: PatientChanges,
) -> Patient:
    """Change a patient of the caller; omitted fields keep their value."""
    patient = await repository.get_patient(session, therapist.id, patient_id)
    return await repository.change_patient(session, patient, changes.model_dump(exclude_unset=True))


@router.get(
    "/{patient_id:uuid}/sessions",
    response_model=list[SessionSummary],
    responses=declare(BadRequest) | succeed(200, "Link"),
)
@limiter.limit("default")
async def list_patient_sessions(
    request: Request,
    therapist: Therapist,
    session: DbSession,
    patient_id: UUID,
    *,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """List the sessions of one patient, newest first, in pages."""
    await repository.get_patient(session, therapist.id, patient_id)
    driver = (await (await session.connection()).get_raw_connection()).driver_connection
    query = ListQuery(patient_id=patient_id, limit=limit, cursor=cursor)
    return page_response(request, await read_page(driver, therapist.id, query))
