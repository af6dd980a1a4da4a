"""Database queries for patients, always restricted to their therapist."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.patients.models import Patient


async def list_patients(
    session: AsyncSession,
    therapist_id: uuid.UUID,
    *,
    limit: int,
    after: Patient | None,
) -> Sequence[Patient]:
    """Return at most `limit` patients by name, after the given one."""
    query = (
        select(Patient)
        .where(Patient.therapist_id == therapist_id)
        .order_by(Patient.full_name, Patient.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(Patient.full_name, Patient.id) > (after.full_name, after.id))
    return (await session.scalars(query)).all()


async def get_patient(
    session: AsyncSession, therapist_id: uuid.UUID, patient_id: uuid.UUID
) -> Patient:
    """Return one patient.

    Raises:
        NotFound: The patient does not exist or belongs to another therapist.
    """
    patient = await find_patient(session, therapist_id, patient_id)
    if patient is None:
        raise NotFound("The patient does not exist.")
    return patient


async def find_patient(
    session: AsyncSession, therapist_id: uuid.UUID, patient_id: uuid.UUID
) -> Patient | None:
    """Return one patient; None if it does not exist or belongs to another therapist."""
    query = select(Patient).where(Patient.id == patient_id, Patient.therapist_id == therapist_id)
    return (await session.scalars(query)).one_or_none()


async def add_patient(
    session: AsyncSession, therapist_id: uuid.UUID, fields: Mapping[str, Any]
) -> Patient:
    """Add a patient of this therapist."""
    patient = Patient(therapist_id=therapist_id, **fields)
    session.add(patient)
    await session.flush()
    return patient


async def change_patient(
    session: AsyncSession, patient: Patient, fields: Mapping[str, Any]
) -> Patient:
    """Set fields of a patient."""
    for name, value in fields.items():
        setattr(patient, name, value)
    await session.flush()
    await session.refresh(patient)
    return patient
