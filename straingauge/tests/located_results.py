"""A result whose first cause has places of every kind."""

from typing import Any

from sample_results import sample_result
from straingauge.diagnosis import CAUSES, Evidence
from straingauge.diagnosis.location import (
    CallLocation,
    CodeLocation,
    Location,
    ProcessLocation,
    StatementLocation,
)

INDEX = "CREATE INDEX CONCURRENTLY ON public.notes (session_id, created_at DESC)"
STATEMENT = "SELECT id, text,\n  created_at FROM notes WHERE session_id = $1 ORDER BY created_at"
CODE = CodeLocation("app/sessions.py", 88, "list_sessions")
PLACES: tuple[Location, ...] = (
    CODE,
    StatementLocation(STATEMENT, "GET /sessions", index=INDEX),
    CallLocation("api.example.com:443", "GET /sessions"),
    ProcessLocation("python", 4711, "120 sockets to 10.0.0.7:443"),
    CodeLocation("app/main.py", 3),
    StatementLocation("UPDATE users SET seen = $1", lock="holds"),
    StatementLocation(table="public.users"),
)


def located_result(*places: Location, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a result in trouble, whose only cause has these places; all kinds if none are given.

    Args:
        places: The places.
        options: Of `sample_result`.
    """
    result = sample_result(trouble=True, **options)
    cause = CAUSES["slow_endpoint"]
    found = cause.found(Evidence(0.9, ("it was seen",), where=places or PLACES))
    return {**result, "diagnosis": [found.as_dict()]}
