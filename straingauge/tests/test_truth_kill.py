"""Truth 6: after kill -9 of a worker, all it had reported is in the merged result."""

import re
from pathlib import Path

import pytest
from counting_service import Service
from load_project import LOAD, Project

pytestmark = pytest.mark.e2e

pytest_plugins = ["pytester", "load_project"]

# Which worker a request is from shows in its path: users go round the two of them. Each keeps a
# file with the samples in the last report it has sent. The victim kills itself after a report.
TAPPED = """
import signal

from straingauge.workers import WorkerClient

def record_report(self, report, _send=WorkerClient.send_report):
    _send(self, report)
    with open(f"{{report.process}}.reported", "w") as file:
        file.write(str(report.requests))
    if report.process == os.environ["VICTIM"] and report.requests >= {least}:
        os.kill(os.getpid(), signal.SIGKILL)

WorkerClient.send_report = record_report

def own(user):
    yield user.get(f"/gw{{user.index % 2}}")
"""
SHARE = 400
TESTS = TAPPED.format(least=SHARE // 5) + LOAD.format(
    name="killed", journey="own", schedule=f"spread(count={2 * SHARE}, duration_s=8)", users=20
)


def number(file: Path) -> int:
    """Return the number that a worker wrote; 0 if there is none."""
    text = file.read_text() if file.exists() else ""
    return int(text or 0)


@pytest.mark.parametrize(("victim", "survivor"), [("gw0", "gw1"), ("gw1", "gw0")])
def test_samples_of_a_killed_worker_survive(
    project: Project,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    victim: str,
    survivor: str,
):
    """The reports of a killed worker are in the result, and it is named with its loss.

    The result has no more of it than the service saw. Of its fellow it has everything; when it
    was the leader that died, the load ends there, and the result has what had been reported.
    """
    before = service.counts()
    monkeypatch.setenv("VICTIM", victim)
    session = project.start(TESTS, "-n", "2")
    reported = {name: project.path / f"{name}.reported" for name in (victim, survivor)}
    output, _ = session.communicate(timeout=90)
    served = service.counts() - before
    (result,) = project.results()
    found = {name: result["endpoints"][f"GET /{name}"]["total_requests"] for name in reported}
    assert max(number(reported[victim]), SHARE // 5) <= found[victim]
    assert all(found[name] <= served[f"/{name}"] for name in reported)
    if survivor == "gw0":
        assert found[survivor] == SHARE
    assert result["metrics"]["total_requests"] == sum(found.values())
    (lost,) = (r for r in result["validity"]["reasons"] if r["reason"] == "lost_worker")
    assert victim in lost["message"]
    most_lost = re.search(r"an estimated ([\d,]+) samples?", lost["message"])
    assert most_lost is not None
    assert int(most_lost[1].replace(",", "")) > 0
    assert "1 failed" in output
    assert "2 failed" not in output
