"""Causes carry the places they point to into the result and the session."""

import pytest
from diagnosis_results import failed_run
from straingauge.diagnosis import CAUSES, Evidence, diagnose_session
from straingauge.diagnosis.location import (
    CallLocation,
    CodeLocation,
    Location,
    ProcessLocation,
    StatementLocation,
    read_location,
)
from straingauge.result.format.schema import schema, violation

PLACES: tuple[Location, ...] = (
    CodeLocation("app/sessions.py", 88, "list_sessions"),
    CodeLocation("app/main.py", 3),
    StatementLocation("SELECT * FROM notes WHERE session_id = $1", "GET /sessions", table="notes"),
    StatementLocation(index="CREATE INDEX CONCURRENTLY ON public.notes (session_id)"),
    StatementLocation("UPDATE users SET seen = $1", lock="holds"),
    CallLocation("api.example.com:443", "GET /sessions"),
    ProcessLocation("python", 4711, "120 sockets to 10.0.0.7:443"),
)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: type(place).__name__)
def test_each_kind_of_place_is_stored_and_read_again(place: Location):
    """The result file has every attribute of a place, and its schema accepts it."""
    stored = place.as_dict()
    definitions = schema("result-1")["definitions"]
    assert violation(stored, definitions["location"]) is None
    assert read_location(stored) == place


@pytest.mark.parametrize("row", [{"kind": "moon"}, {"kind": "code", "file": "a.py"}, {}])
def test_a_place_of_another_version_is_ignored(row: dict[str, str]):
    """A kind that this version does not know, or one without its fields, is no place."""
    assert read_location(row) is None


def test_a_session_has_the_places_of_the_test_that_knows_them():
    """The cause of a session has places even if its most confident test has none."""
    sure = CAUSES["cpu_bound"].found(Evidence(0.9, ("x",)))
    placed = CAUSES["cpu_bound"].found(Evidence(0.6, ("y",), where=PLACES[:1]))
    runs = [{**failed_run(), "diagnosis": [each.as_dict()]} for each in (sure, placed)]
    (cause,) = diagnose_session(runs)
    assert cause["where"] == [PLACES[0].as_dict()]
    assert cause["evidence"] == ["x"]
