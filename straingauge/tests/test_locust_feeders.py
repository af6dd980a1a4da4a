"""Data feeders in Locust: one order of rows for all workers of a run."""

import pytest
from locust_project import Project, counts, reasons, workers

pytestmark = pytest.mark.e2e

pytest_plugins = ["locust_project"]

USERS = """
from straingauge import feeder

rows = feeder("rows.csv", order="unique", secrets=["pin"])

def use_row(user):
    row = next(rows)
    yield user.get(f"/{row['n']}", name=f"GET /{row['n']}")
    yield user.get("/hello", headers={"X-Pin": row["pin"]})

class Reader(JourneyUser):
    wait_time = constant(0.01)

    @task
    def use(self):
        self.run_journey(use_row)
"""


def test_each_row_is_used_once_by_all_workers(locust_folder: Project):
    """Each row is used by one execution of one worker; after the last one, the run ends."""
    rows = "".join(f"row-{n},pin-{n:04}\n" for n in range(60))
    locust_folder.write("rows.csv", f"n,pin\n{rows}")
    exit_ = locust_folder.run(USERS, "--run-time", "60s", *workers(2))
    assert exit_.code == 0, exit_.output
    assert "Traceback" not in exit_.output
    result = locust_folder.result()
    expected = {f"GET /row-{n}": 1 for n in range(60)}
    assert counts(result) == locust_folder.served() == {**expected, "GET /hello": 60}
    assert result["feeders"]["rows.csv"] == {
        "rows": 60,
        "rows_used": 60,
        "uses": 60,
        "order": "unique",
        "on_end": "stop",
        "delimiter": ",",
        "ended": True,
    }
    assert reasons(result)["ended_early"].endswith("no further row: all 60 were used")
    assert "interrupted" not in reasons(result)
