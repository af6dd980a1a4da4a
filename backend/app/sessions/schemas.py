"""What goes in and out of the sessions endpoints."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.fields import Moment, Text
from app.sessions.models import Status

TherapistNotes = Annotated[Text, StringConstraints(max_length=20_000)]


class SessionSummary(BaseModel):
    """A session in a list: no transcript."""

    id: UUID
    patient_id: UUID
    session_date: datetime
    status: Status
    failure_reason: str | None = Field(description="Why the status is `failed`, in plain words.")
    duration_s: float | None = Field(description="Length of the recording in seconds.")
    size_bytes: int | None = Field(description="Size of the recording, null if there is none.")
    created_at: datetime
    updated_at: datetime


class SessionRecord(SessionSummary):
    """A whole session."""

    model_config = ConfigDict(from_attributes=True)

    media_type: str | None = Field(description="Of the recording, told from its content.")
    sha256: str | None = Field(description="Of the recording, in hexadecimal.")
    therapist_notes: str | None
    transcript: str | None
    transcriber: str | None = Field(description="Who wrote the transcript down.")


class SessionChanges(BaseModel):
    """The fields to change; what is left out stays, null clears the notes."""

    session_date: Moment | None = None
    therapist_notes: TherapistNotes | None = None

    @model_validator(mode="after")
    def _keep_a_date(self) -> Self:
        if "session_date" in self.model_fields_set and self.session_date is None:
            raise ValueError("session_date cannot be cleared")
        return self


class UploadFields(BaseModel):
    """The plain fields of an upload."""

    patient_id: UUID
    session_date: Moment | None = None
    notes: TherapistNotes | None = None


class UploadAccepted(BaseModel):
    """A recording that is stored, and whose transcription is queued."""

    id: UUID
    patient_id: UUID
    session_date: datetime
    status: Status
    sha256: str
    size_bytes: int
    media_type: str


class ExtractionAccepted(BaseModel):
    """An extraction that is queued."""

    id: UUID
    status: Status
    already_queued: bool = Field(description="Whether an earlier request's job does this one too.")
