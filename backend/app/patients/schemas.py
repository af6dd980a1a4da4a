"""Request and response bodies of the patients endpoints."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from app.auth.schemas import Email
from app.fields import Name, Text

Phone = Annotated[Text, StringConstraints(strip_whitespace=True, min_length=3, max_length=40)]


class NewPatient(BaseModel):
    """A new patient."""

    full_name: Name
    email: Email | None = None
    phone: Phone | None = None
    date_of_birth: date | None = None


class PatientChanges(BaseModel):
    """Fields to change. Omitted fields keep their value, null clears a field."""

    full_name: Name | None = None
    email: Email | None = None
    phone: Phone | None = None
    date_of_birth: date | None = None

    @model_validator(mode="after")
    def _require_name(self) -> Self:
        if "full_name" in self.model_fields_set and self.full_name is None:
            raise ValueError("full_name cannot be cleared")
        return self


class PatientRecord(BaseModel):
    """A patient in responses."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    full_name: str
    email: str | None
    phone: str | None
    date_of_birth: date | None
    created_at: datetime
    updated_at: datetime = Field(description="Time of the last change.")
