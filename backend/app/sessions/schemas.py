"""Request and response bodies of the sessions endpoints."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.json_schema import SkipJsonSchema

from app.fields import ReadOnly, Text, Timestamp
from app.sessions.models import Status

TherapistNotes = Annotated[Text, StringConstraints(max_length=20_000)]


class SessionSummary(BaseModel):
    """A session in a list, without its transcript."""

    id: ReadOnly[UUID]
    patient_id: ReadOnly[UUID]
    session_date: datetime
    status: ReadOnly[Status]
    failure_reason: ReadOnly[str | None] = Field(description="Reason for the status `failed`.")
    duration_s: ReadOnly[float | None] = Field(description="Length of the recording in seconds.")
    size_bytes: ReadOnly[int | None] = Field(
        description="Size of the recording in bytes, null if none."
    )
    created_at: ReadOnly[datetime]
    updated_at: ReadOnly[datetime]


class SessionRecord(SessionSummary):
    """A session with all its fields."""

    model_config = ConfigDict(from_attributes=True)

    media_type: ReadOnly[str | None] = Field(
        description="Media type detected from the recording's content."
    )
    sha256: ReadOnly[str | None] = Field(description="SHA-256 of the recording, in hexadecimal.")
    therapist_notes: str | None
    transcript: ReadOnly[str | None]
    transcriber: ReadOnly[str | None] = Field(
        description="Transcriber that created the transcript."
    )


class SessionChanges(BaseModel):
    """Fields to change. Omitted fields keep their value, null clears the notes."""

    session_date: Timestamp | SkipJsonSchema[None] = None
    therapist_notes: TherapistNotes | None = None

    @model_validator(mode="after")
    def _require_date(self) -> Self:
        if "session_date" in self.model_fields_set and self.session_date is None:
            raise ValueError("session_date cannot be cleared")
        return self


class UploadFields(BaseModel):
    """Form fields of an upload, without the file."""

    model_config = ConfigDict(extra="forbid")

    patient_id: UUID
    session_date: Timestamp | SkipJsonSchema[None] = None
    notes: TherapistNotes | SkipJsonSchema[None] = None


class UploadAccepted(BaseModel):
    """Response to an upload: the recording is stored and its transcription queued."""

    id: UUID
    patient_id: UUID
    session_date: datetime
    status: Status
    sha256: str
    size_bytes: int
    media_type: str


class ExtractionAccepted(BaseModel):
    """Response to a request for notes: the extraction is queued."""

    id: UUID
    status: Status
    already_queued: bool = Field(description="True if a job of an earlier request covers it.")
