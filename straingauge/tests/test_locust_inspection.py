"""Locust looks inside a service that `straingauge serve` has started, as pytest and run do."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.serial]

SERVICE = Path(__file__).with_name("looked_up_service.py")
LOCUSTFILE = """
from locust import constant, task
from straingauge.locust import JourneyUser

class Reader(JourneyUser):
    wait_time = constant(0.02)

    @task(5)
    def read(self):
        self.client.get("/items/17", name="/items/{id}")

    @task
    def fail(self):
        self.client.get("/fail")
"""
THRESHOLDS = "[all]\nerror_rate_percent = { target = 1, warning = 2, critical = 3 }\n"


def run_locust(folder: Path, *options: str) -> dict[str, Any]:
    """Run Locust against the service, with a new database; return the result."""
    python = json.dumps(str(SERVICE))
    (folder / "straingauge.toml").write_text(
        f"""
[env]
DATABASE_URL = "{{database_url}}"
[postgres]
database = "items"
[[prepare]]
name = "fill"
command = ["{{python}}", {python}, "--fill"]
[service]
command = ["{{python}}", {python}, "{{port}}"]
ready = "/items/1"
"""
    )
    (folder / "locustfile.py").write_text(LOCUSTFILE)
    (folder / "thresholds.toml").write_text(THRESHOLDS)
    serve = [str(Path(sys.executable).with_name("straingauge")), "serve", "--port", "0", "--"]
    locust = [sys.executable, "-m", "locust", "--host", "{url}", "--headless", "--only-summary"]
    done = subprocess.run(
        [
            *serve,
            *locust,
            *("--users", "3", "--spawn-rate", "10", "--stop-timeout", "10", *options),
        ],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    # Critical, since a sixth of the requests fails; or invalid on a busy machine.
    assert done.returncode in (1, 4), done.stdout + done.stderr
    (file,) = (folder / "results").iterdir()
    result: dict[str, Any] = json.loads(file.read_text())
    return result


def test_profile_exceptions_and_plans_of_a_service(tmp_path: Path):
    """The result has the lines of the profile and of exceptions, and the index that helps."""
    result = run_locust(tmp_path, "--run-time", "5s", "--load-profile")
    assert result["profile"]["snapshots"]["count"] > 0
    lines = {(Path(row["file"]).name, row["function"]) for row in result["profile"]["lines"]}
    assert (SERVICE.name, "compute") in lines
    (raised,) = result["exceptions"]
    assert (raised["type"], raised["function"]) == ("LookupError", "fail")
    failed = result["status_codes"]["500"]
    assert raised["count"] == pytest.approx(failed, abs=3)  # requests at the end of the run
    (index,) = (row["index"] for row in result["plans"]["statements"] if row["index"])
    assert index["create"] == "CREATE INDEX CONCURRENTLY ON public.items (owner)"
    assert index["after_ms"] is not None  # tried, because the database is temporary
    errors = next(each for each in result["diagnosis"] if each["cause"] == "endpoint_errors")
    assert [(each["function"], each["line"]) for each in errors["where"]] == [
        ("fail", raised["line"])
    ]


def test_neither_profile_nor_plans_if_not_wanted(tmp_path: Path):
    """Options switch both off."""
    result = run_locust(tmp_path, "--run-time", "2s", "--load-no-profile", "--load-no-plans")
    assert result["metrics"]["total_requests"]
    assert not result.keys() & {"profile", "plans"}
