"""Field types shared by request bodies, with the JSON Schema that the OpenAPI document shows."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

T = TypeVar("T")
_YEARS = range(1900, 2200)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATE_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})?", re.ASCII
)


def reject_nul(text: str) -> str:
    """Reject text with NUL characters, which PostgreSQL cannot store."""
    if "\0" in text:
        raise ValueError("must not contain NUL characters")
    return text


def _require_date(value: object) -> object:
    # Pydantic would also take a number, or a text of digits, as seconds since 1970.
    if not (isinstance(value, str) and _DATE.fullmatch(value)):
        raise ValueError("must be a date such as 1990-12-31")
    return value


def _require_date_time(value: object) -> object:
    if not (isinstance(value, str) and _DATE_TIME.fullmatch(value)):
        raise ValueError("must be a date and time such as 2026-01-31T10:30:00Z")
    return value


def _check_timestamp(value: datetime) -> datetime:
    if value.year not in _YEARS:
        raise ValueError("must lie between the years 1900 and 2200")
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def strip(text: str) -> str:
    """Remove white space at both ends; some other character must remain."""
    stripped = text.strip()
    if not stripped:
        raise ValueError("must not be blank")
    return stripped


ReadOnly = Annotated[T, Field(json_schema_extra={"readOnly": True})]
"""A field of responses that no request can set."""
NOT_BLANK = r"^[^\u0000]*[^\u0000\u001c-\u001f\u0085\s][^\u0000]*$"
"""Pattern of what `reject_nul` and `strip` accept."""

Text = Annotated[
    str, AfterValidator(reject_nul), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})
]
Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="White space around it is removed; some other character must remain.",
        json_schema_extra={"pattern": NOT_BLANK},
        examples=["Ann Example"],
    ),
    AfterValidator(reject_nul),
    AfterValidator(strip),
]
Date = Annotated[date, BeforeValidator(_require_date), Field(examples=["1990-12-31"])]
Timestamp = Annotated[
    datetime,
    BeforeValidator(_require_date_time),
    AfterValidator(_check_timestamp),
    Field(
        description="Date and time of the years 1900 to 2199; UTC if it has no offset.",
        json_schema_extra={"pattern": "^(19|20|21)"},
        examples=["2026-01-31T10:30:00Z"],
    ),
]
