"""Plans are read after a load whose result gives reason to, and after no other."""

from typing import Any, cast

import pytest
from straingauge.result.format.result import Result
from straingauge.runner.database_plans import DatabasePlans, is_wanted
from straingauge.runner.service_database import ServiceDatabase

GONE = ServiceDatabase("postgresql://me@127.0.0.1:1/none", is_temporary=True)


def judged(grade: str, *causes: str) -> Result:
    """The parts of a result that decide."""
    statements = [{"id": "1", "query": "SELECT $1", "share": 1.0, "total_ms": 5.0}]
    result: dict[str, Any] = {
        "verdict": {"grade": grade},
        "diagnosis": [{"cause": each} for each in causes],
        "resources": {"database": {"statements": statements}},
    }
    return cast("Result", result)


@pytest.mark.parametrize(
    ("grade", "causes", "wanted"),
    [
        ("target", (), False),
        ("acceptable", ("cpu_bound",), False),
        ("acceptable", ("missing_index",), True),
        ("warning", (), True),
        ("critical", ("cpu_bound",), True),
    ],
)
def test_plans_are_read_with_reason_only(grade: str, causes: tuple[str, ...], *, wanted: bool):
    """A healthy run costs nothing after its end."""
    assert is_wanted(judged(grade, *causes)) is wanted


def test_a_database_that_is_gone_is_a_note():
    """A database that cannot be asked is a line in the result, and each step is announced."""
    lines: list[str] = []
    section = DatabasePlans(GONE, lines.append)(judged("critical"))
    assert section["plans"]["statements"] == []
    assert "no plans of statements" in section["plans"]["notes"][0]
    assert lines == ["reading the plans of the slowest statements"]
    assert DatabasePlans(GONE, lines.append)(judged("target")) == {}
    assert DatabasePlans(None)(judged("critical")) == {}
