"""Checks of response content. A check returns a description of the problem, or None.

A status of 200 is not enough: a failing service can return an empty list, rows of another user or
an incomplete file.
"""

from collections.abc import Collection

from straingauge import Check, Response


def has(*fields: str) -> Check:
    """Check that the body is a JSON object with these fields."""

    def check(response: Response) -> str | None:
        return _missing_fields(response.json(), fields)

    return check


def has_value(field: str, value: str) -> Check:
    """Check that the body is a JSON object in which a field has a value."""

    def check(response: Response) -> str | None:
        body = response.json()
        return _missing_fields(body, [field]) or (
            None if body[field] == value else f"{field} is {body[field]!r}, not {value!r}"
        )

    return check


def is_list_of(*fields: str) -> Check:
    """Check that the body is a JSON array of objects with these fields."""

    def check(response: Response) -> str | None:
        rows = response.json()
        if not isinstance(rows, list):
            return f"expected a JSON array, not {type(rows).__name__}"
        return next((problem for row in rows if (problem := _missing_fields(row, fields))), None)

    return check


def if_success(check: Check) -> Check:
    """Apply a check only to responses with a 2xx status."""

    def check_success(response: Response) -> str | None:
        return check(response) if response.status < 300 else None

    return check_success


def not_empty(response: Response) -> str | None:
    """Check that the list is not empty."""
    return None if response.json() else "the list is empty"


def is_audio(response: Response) -> str | None:
    """Check that the response is an audio file."""
    content_type = response.headers.get("Content-Type", "no Content-Type")
    return None if content_type.startswith("audio/") else f"expected audio, not {content_type}"


def each_in(field: str, values: Collection[str]) -> Check:
    """Check that a field of each row has one of these values, so no row is of another user."""

    def check(response: Response) -> str | None:
        foreign = next((row[field] for row in response.json() if row[field] not in values), None)
        return None if foreign is None else f"{field} {foreign} belongs to another user"

    return check


def _missing_fields(row: object, fields: Collection[str]) -> str | None:
    if not isinstance(row, dict):
        return f"expected a JSON object, not {type(row).__name__}"
    missing = [field for field in fields if field not in row]
    return f"{', '.join(missing)} missing" if missing else None
