"""Field types shared by request bodies."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def reject_nul(text: str) -> str:
    """Reject text with NUL characters, which PostgreSQL cannot store."""
    if "\0" in text:
        raise ValueError("must not contain NUL characters")
    return text


def _check_timestamp(value: datetime) -> datetime:
    timestamp = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if not _EARLIEST <= timestamp < _LATEST:
        raise ValueError("must lie between the years 1900 and 2200")
    return timestamp


Text = Annotated[str, AfterValidator(reject_nul)]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(reject_nul),
]
Timestamp = Annotated[datetime, AfterValidator(_check_timestamp)]
"""Date and time; UTC if it has no time zone."""
