"""The database section without a database, or with one that cannot be reached."""

import pytest
from database_sections import figures
from straingauge.observe import DatabaseStats, Observations
from straingauge.result.assembly.database import database


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://u:hush@127.0.0.1:1/none", "Connection refused"),
        ("postgresql://u:h@sh:hush/hush@127.0.0.1:1/none", "Connection refused"),
        ("u:hush@127.0.0.1/none", "write postgresql://"),
        ("host=127.0.0.1 password=hush nonsense=1", "write postgresql://"),
        ("mysql+pymysql://u:hush@127.0.0.1/none", "only PostgreSQL can be observed, not mysql"),
        ("postgresql://u:hush%zz@127.0.0.1:x/none?nonsense=1", "write postgresql://"),
    ],
)
def test_an_unreachable_database_has_a_reason(url: str, reason: str):
    """An address that leads nowhere is a sentence in the result, without the password."""
    found = figures(url, lambda _: None)
    assert (found["samples"], found["failed_samples"]) == (2, 2)
    assert found["statements"] is None
    assert found["tables"] is None
    (missing,) = found["unavailable"]
    assert reason in missing
    assert "hush" not in missing


def test_no_database_is_nothing_said():
    """Without a database URL there is no database section."""
    assert database(Observations().database, [], 10) is None
    assert database(DatabaseStats(), [], 10) is not None
