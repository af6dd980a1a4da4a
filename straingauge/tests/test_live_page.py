"""The live page of `run` and pytest: what it is served, to whom, and its data during a load."""

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sample_results import sample_result
from straingauge.errors import TargetError
from straingauge.live_view import PageDataCache
from straingauge.live_view.loopback_server import LoopbackServer, Reply, Route
from straingauge.live_view.page_routes import PageRoutes
from straingauge.recording import Recorder
from straingauge.runner.live_run import LiveRun
from straingauge.workers import Arrivals, MergedReports, Report, RunMetadata

TOKEN = "a-token"
METADATA = RunMetadata(
    name="load",
    started_at="2026-11-28T12:00:00+01:00",
    configuration={"target": "http://127.0.0.1:1", "schedule": {"kind": "constant"}},
    duration_s=60.0,
)


class Served:
    """A page that is served, of a run that a test moves."""

    def __init__(self) -> None:
        self.run = LiveRun()
        self.page = PageRoutes(PageDataCache(self.run, self.run.state, self.run.progress))
        self.called: list[dict[str, str]] = []
        change = Route(self._change, needs_token=True)
        routes = {**self.page.routes(), ("POST", "/change"): change}
        self.server = LoopbackServer(routes, 0, option="--live", token=TOKEN)

    def _change(self, parameters: Mapping[str, str]) -> Reply:
        self.called.append({name: value for name, value in parameters.items() if name})
        return Reply("{}")

    def ask(
        self, path: str, method: str = "GET", body: str | None = None, **headers: str
    ) -> tuple[int, Any, str]:
        """Send a request; return status, body and the policy of the response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        text = response.read().decode()
        policy = response.headers["Content-Security-Policy"]
        connection.close()
        is_json = response.headers["Content-Type"].startswith("application/json")
        return response.status, json.loads(text) if is_json else text, policy


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """A page without a run yet."""
    made = Served()
    with made.server:
        yield made


def reports(requests: int, at_s: float, arrivals: Arrivals) -> MergedReports:
    """The reports of one process in a load that has just begun."""
    recorder = Recorder()
    sink = recorder.endpoint_sink("main", "GET /a", 0)
    for number in range(requests):
        sink.add(number, number, number + 1, number + 1_000_000, 200, None)
    record = recorder.snapshot().to_bytes()
    report = Report("p1", round(at_s * 1e9), requests, record, arrivals=arrivals)
    return MergedReports((report,), metadata=METADATA, start_ns=time.monotonic_ns())


def test_page_and_its_files_come_from_this_server(served: Served):
    """The page loads all its files from its own server, and nothing else."""
    status, text, policy = served.ask("/")
    assert status == 200
    assert 'data-source="run"' in text
    assert "default-src 'none'" in policy
    for name in ("live.css", "live.js", "dom.js", "report.css", "report.js"):
        status, text, _ = served.ask(f"/static/{name}")
        assert status == 200
        assert "://" not in text.replace("http://www.w3.org/2000/svg", "")
    for path in ("/static/../page_routes.py", "/static/page_routes.py", "/nothing"):
        assert served.ask(path)[0] == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "attacker.example"}, 421),
        ({"Host": "127.0.0.1"}, 421),
        ({"Origin": "http://attacker.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/", "/live.json", "/report.html"])
def test_pages_of_other_sites_read_nothing(
    served: Served, headers: dict[str, str], status: int, path: str
):
    """A page of another site, also one whose name leads to this machine, is refused."""
    assert served.ask(path, **headers)[0] == status


def test_changes_need_the_token(served: Served):
    """A request that changes a run needs the token in a header, which no form can set."""
    body = "percent=50"
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert served.ask("/change", "POST", body, **form)[0] == 401
    assert served.ask("/change?token=" + TOKEN, "POST", body, **form)[0] == 401
    wrong = served.ask("/change", "POST", body, Authorization="Bearer wrong")
    assert wrong[0] == 401
    assert "Authorization: Bearer" in wrong[1]["error"]
    right = {"Authorization": f"Bearer {TOKEN}"}
    other = served.ask("/change", "POST", body, **right, Origin="http://attacker.example")
    assert other[0] == 403
    assert served.ask("/change", "GET", **right)[0] == 405
    assert served.ask("/change", "POST", "x" * 5000, **right)[0] == 413
    assert served.called == []
    assert served.ask("/change?a=1", "POST", body, **right)[0] == 200
    assert served.called == [{"a": "1", "percent": "50"}]


def test_port_in_use(served: Served):
    """A port that is in use is an error that says how to choose another."""
    with pytest.raises(TargetError, match="cannot be used") as error:
        LoopbackServer({}, served.server.port, option="--live", token=TOKEN)
    assert "--live PORT" in (error.value.hint or "")


def test_page_of_a_run_from_log_in_to_its_end(served: Served, tmp_path: Path):
    """The page shows phase, rates and verdict of a load, and waits for viewers at its end."""
    run = served.run
    before = served.ask("/live.json?viewer=a")[1]
    assert before["state"] == "logging in"
    assert before["view"] is None
    assert served.ask("/report.html")[0] == 404
    run.watch("a test", reports(100, 1.0, Arrivals(started=100, due=110, busy=4)))
    run.watch("a test", reports(300, 3.0, Arrivals(started=300, due=350, busy=7)))
    progress = run.progress()
    assert progress["phase"] == "running"
    assert progress["duration_s"] == 60.0
    assert dict(progress["facts"]) == {
        "busy users": "7",
        "offered": "120/s",
        "achieved": "100 requests/s",
    }
    live = served.ask("/live.json?viewer=a")[1]
    assert (live["state"], live["users"]) == ("running", "7 users")
    assert live["view"]["run"]["requests"] == 300
    assert not live["finished"]

    result = sample_result()
    run.finish(result, tmp_path / "gone.json")
    assert served.page.is_awaited
    waiting = threading.Thread(target=served.page.await_viewers)
    waiting.start()
    end = served.ask("/live.json?viewer=a")[1]
    assert end["finished"]
    assert end["state"] == "finished"
    assert served.ask("/report.html")[0] == 200
    assert served.ask("/result.json")[0] == 404
    assert waiting.is_alive()
    served.ask("/live.json?viewer=a&seen")
    waiting.join(timeout=30)
    assert not waiting.is_alive()
    assert not served.page.is_awaited

    again = reports(10, 1.0, Arrivals(10, 10, 1))
    run.watch("another test", replace(again, start_ns=None))
    assert run.finished_run is None
    assert run.state() == ("logging in", 0)
