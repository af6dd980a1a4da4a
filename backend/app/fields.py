"""Field types that several requests share."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def without_nul(text: str) -> str:
    """Refuse text that PostgreSQL cannot store."""
    if "\0" in text:
        raise ValueError("must not contain NUL characters")
    return text


def _moment(when: datetime) -> datetime:
    moment = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    if not _EARLIEST <= moment < _LATEST:
        raise ValueError("must lie between the years 1900 and 2200")
    return moment


Text = Annotated[str, AfterValidator(without_nul)]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(without_nul),
]
Moment = Annotated[datetime, AfterValidator(_moment)]
"""A time; one without a zone is taken as UTC."""
