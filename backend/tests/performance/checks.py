"""What an answer must hold: each function makes a check, which says what is wrong, or None.

A status of 200 is no proof: a service in trouble sends an empty list, another's row, half a file.
"""

from collections.abc import Collection

from straingauge import Check, Response


def has(*fields: str) -> Check:
    """The answer is a JSON object with these fields."""

    def check(response: Response) -> str | None:
        return _lacks(response.json(), fields)

    return check


def has_value(field: str, value: str) -> Check:
    """The answer is a JSON object, and this field of it has this value."""

    def check(response: Response) -> str | None:
        got = response.json()
        return _lacks(got, [field]) or (
            None if got[field] == value else f"{field} is {got[field]!r}, not {value!r}"
        )

    return check


def is_list_of(*fields: str) -> Check:
    """The answer is a JSON array of objects, each with these fields."""

    def check(response: Response) -> str | None:
        rows = response.json()
        if not isinstance(rows, list):
            return f"a JSON array was expected, not {type(rows).__name__}"
        return next((wrong for row in rows if (wrong := _lacks(row, fields))), None)

    return check


def if_served(check: Check) -> Check:
    """This check, of an answer that is no refusal."""

    def checked(response: Response) -> str | None:
        return check(response) if response.status < 300 else None

    return checked


def not_empty(response: Response) -> str | None:
    """There is something in the list."""
    return None if response.json() else "the list is empty"


def is_audio(response: Response) -> str | None:
    """It is a recording, whichever."""
    kind = response.headers.get("Content-Type", "no Content-Type")
    return None if kind.startswith("audio/") else f"audio was expected, not {kind}"


def each_among(field: str, values: Collection[str]) -> Check:
    """This field of each row has one of these values: nobody else's row is in the list."""

    def check(response: Response) -> str | None:
        strange = next((row[field] for row in response.json() if row[field] not in values), None)
        return None if strange is None else f"{field} {strange} is none of this user's"

    return check


def _lacks(row: object, fields: Collection[str]) -> str | None:
    if not isinstance(row, dict):
        return f"a JSON object was expected, not {type(row).__name__}"
    missing = [field for field in fields if field not in row]
    return f"{', '.join(missing)} missing" if missing else None
