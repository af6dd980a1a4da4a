"""Request and response bodies of the patients endpoints."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from app.auth.schemas import Email
from app.fields import NOT_BLANK, Date, Name, ReadOnly, reject_nul, strip

Phone = Annotated[
    str,
    Field(
        min_length=3,
        max_length=40,
        json_schema_extra={"pattern": NOT_BLANK},
        examples=["+43 1 234567"],
    ),
    AfterValidator(reject_nul),
    AfterValidator(strip),
]


class NewPatient(BaseModel):
    """A new patient."""

    full_name: Name
    email: Email | None = None
    phone: Phone | None = None
    date_of_birth: Date | None = None


class PatientChanges(BaseModel):
    """Fields to change. Omitted fields keep their value, null clears a field."""

    full_name: Name | SkipJsonSchema[None] = None
    email: Email | None = None
    phone: Phone | None = None
    date_of_birth: Date | None = None

    @model_validator(mode="after")
    def _require_name(self) -> Self:
        if "full_name" in self.model_fields_set and self.full_name is None:
            raise ValueError("full_name cannot be cleared")
        return self


class PatientRecord(BaseModel):
    """A patient in responses."""

    model_config = ConfigDict(from_attributes=True)

    id: ReadOnly[UUID]
    full_name: str
    email: str | None
    phone: str | None
    date_of_birth: date | None
    created_at: ReadOnly[datetime]
    updated_at: ReadOnly[datetime] = Field(description="Time of the last change.")
