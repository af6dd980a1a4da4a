"""Exports of the seconds of a load: sums, files, failures, and names that are refused."""

import csv
import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_load import START_NS, MadeLoad, counter, export_to
from raw_server import Peer, serve
from straingauge.errors import UsageError
from straingauge.exports import Exporter, ExportStream, Second, exporters_for
from straingauge.journey import User, mix
from straingauge.result.assembly import compose
from straingauge.runner import LoadRunner, LoadSpec, LoginCache
from straingauge.schedule import constant_users
from straingauge.workers import LocalCoordinator, MergedReports


def sums(rows: list[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """Add requests, statuses and errors of each endpoint."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        added = Counter({"requests": int(row["requests"]), "limited": int(row["rate_limited"])})
        added.update({f"status {name}": int(n) for name, n in row["statuses"].items()})
        added.update({f"error {name}": int(n) for name, n in row["errors"].items()})
        found.setdefault(row["endpoint"], Counter()).update(added)
    return found


def totals(merged: MergedReports) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Requests of each endpoint in the result, its statuses and its errors."""
    result = compose(merged)
    requests = {name: each["total_requests"] for name, each in result["endpoints"].items()}
    return requests, dict(result["status_codes"]), dict(result["errors"]["kinds"])


def require_totals(rows: list[Mapping[str, Any]], merged: MergedReports) -> None:
    """Compare the sums over all seconds with the result."""
    found, whole = sums(rows), Counter[str]()
    for each in found.values():
        whole.update(each)
    requests, statuses, errors = totals(merged)
    assert {name: each["requests"] for name, each in found.items()} == requests
    for prefix, expected in (("status ", statuses), ("error ", errors)):
        part = {k.removeprefix(prefix): n for k, n in whole.items() if k.startswith(prefix)}
        assert part == expected
    assert whole["limited"] == compose(merged)["metrics"]["rate_limited"] == 4


def test_json_lines_add_up_to_the_result(tmp_path: Path):
    """The requests, statuses and errors of all JSON lines are exactly those of the result."""
    file = tmp_path / "seconds.jsonl"
    merged = export_to(str(file))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(each["start_s"], each["end_s"]) for each in lines] == [(0, 1), (1, 2), (2, 3)]
    assert [each["time"] for each in lines] == [1_001, 1_002, 1_003]
    assert sum(each["arrivals_started"] for each in lines) == 43
    assert sum(each["arrivals_due"] for each in lines) == 45
    assert {each["users"] for each in lines} == {4}
    rows = [
        {"endpoint": name, **figures}
        for each in lines
        for name, figures in each["endpoints"].items()
    ]
    require_totals(rows, merged)


def test_csv_rows_add_up_to_the_result(tmp_path: Path):
    """The requests, statuses and errors of all CSV rows are exactly those of the result."""
    file = tmp_path / "seconds.CSV"
    merged = export_to(str(file))
    with file.open(newline="") as text:
        rows: list[Mapping[str, Any]] = [
            {
                **row,
                "statuses": dict(each.split("=") for each in row["statuses"].split()),
                "errors": dict(each.split("=") for each in row["errors"].split()),
            }
            for row in csv.DictReader(text)
        ]
    require_totals(rows, merged)


def test_each_second_is_in_the_file_at_once(tmp_path: Path):
    """A reader that follows a file finds each second, also one without requests, by its names."""
    expected = {
        "run": "load",
        "time": 2.0,
        "start_s": 1.0,
        "end_s": 2.5,
        "users": 3,
        "arrivals_due": 5,
        "arrivals_started": 4,
        "server_cpu_percent": 12.5,
        "server_rss_bytes": 7e6,
    }
    files = tmp_path / "seconds.jsonl", tmp_path / "seconds.csv"
    exporters = exporters_for([str(file) for file in files]).values()
    for exporter in exporters:
        exporter.add(Second(**expected, endpoints={}))
    (line,) = files[0].read_text().splitlines()
    (row,) = csv.DictReader(files[1].read_text().splitlines())
    for exporter in exporters:
        exporter.close()
    assert json.loads(line) == {**expected, "endpoints": {}}
    assert {name: row[name] for name in ("run", "endpoint", "requests")} == {
        "run": "load",
        "endpoint": "",
        "requests": "",
    }
    numbers = {name: value for name, value in expected.items() if name != "run"}
    assert {name: float(row[name]) for name in numbers} == numbers


def test_percentiles_are_those_of_one_second(tmp_path: Path):
    """A second's percentiles contain no response of the seconds before."""
    file = tmp_path / "seconds.jsonl"
    export_to(str(file))
    first, second, _ = (json.loads(line)["endpoints"] for line in file.read_text().splitlines())
    assert first["GET /a"]["p50_ms"] == pytest.approx(7, rel=0.004)
    assert second["GET /a"]["p50_ms"] == pytest.approx(900, rel=0.004)
    assert second["POST /b"]["requests"] == 9


def test_reports_that_are_skipped_are_in_the_next_second():
    """A slow export loses no request: the next second contains what came meanwhile."""
    load, counted = MadeLoad(), counter()
    load.requests("p1", "GET /a", 10, 5)
    load.merged(1.0)
    load.requests("p1", "GET /a", 10, 5)
    second = counted.count(load.merged(2.0))
    assert second is not None
    assert (second.end_s, second.endpoints["GET /a"].requests) == (2.0, 20)


def test_same_reports_again_are_no_second():
    """Reports without anything new are not exported."""
    load, counted = MadeLoad(), counter()
    load.requests("p1", "GET /a", 10, 5)
    merged = load.merged(1.0)
    assert counted.count(merged) is not None
    assert counted.count(merged) is None


def test_log_in_is_not_exported():
    """Only requests of the main phase are exported."""
    load, counted = MadeLoad(), counter()
    load.recorders["p1"].endpoint_sink("setup", "POST /login", 0).add(0, 0, 1, 2, 200, None)
    second = counted.count(load.merged(1.0))
    assert second is not None
    assert not second.endpoints


class Broken:
    """An exporter without space left."""

    def add(self, _second: Second) -> None:
        """Fail."""
        raise OSError(28, "No space left on device: password=hunter22")

    def close(self) -> None:
        """Fail again."""
        raise OSError(28, "No space left on device")


def test_failed_export_ends_alone(tmp_path: Path):
    """An export that fails is one line and a note of the result, and the others go on."""
    file, said, load = tmp_path / "seconds.jsonl", list[str](), MadeLoad()
    exporters: dict[str, Exporter] = {"broken": Broken(), **exporters_for([str(file)])}
    stream = ExportStream(exporters, said.append, counter)
    for at_s in (1.0, 2.0):
        load.requests("p1", "GET /a", 10, 5)
        stream.watch("load", load.merged(at_s))
        stream.export()
    stream.close()
    failure = "OSError: [Errno 28] No space left on device: password=***"
    assert said == [f"export broken ended: {failure}"]
    broken, written = stream.section()
    assert broken["seconds"] == 0
    assert broken["failure"] == failure
    assert (written["seconds"], written["failure"]) == (2, None)
    assert len(file.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["seconds.xml"], "must end in .jsonl or .csv"),
        (["seconds"], "must end in .jsonl or .csv"),
        (["seconds.csv", "seconds.csv"], "named twice"),
        (["missing/seconds.csv"], "there is no folder missing"),
        (["folder.csv"], "this is a folder"),
        (["/proc/seconds.csv"], "cannot write to /proc"),
    ],
)
def test_wrong_name_is_refused(
    names: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A name without a known format, or of a file that cannot be written, is an error."""
    monkeypatch.chdir(tmp_path)
    Path("folder.csv").mkdir()
    with pytest.raises(UsageError, match=message):
        exporters_for(names)


def test_last_reports_are_exported():
    """The end of a load exports its last reports, not those that the thread has yet to export."""
    received, load = Received(), MadeLoad()
    stream = ExportStream({"received": received}, print, counter)
    load.requests("p1", "GET /a", 10, 5)
    stream.watch("load", load.merged(1.0))
    load.requests("p1", "GET /a", 7, 5)
    stream.finish("load", load.merged(2.0))
    assert [each.endpoints["GET /a"].requests for each in received.seconds] == [17]


def test_file_stays_until_the_first_second(tmp_path: Path):
    """A file of an earlier run is kept if no load begins."""
    file = tmp_path / "seconds.csv"
    file.write_text("earlier")
    ExportStream(exporters_for([str(file)]), print, counter).close()
    assert file.read_text() == "earlier"


class Received:
    """Keeps seconds, and notes when the first one came."""

    def __init__(self) -> None:
        self.seconds: list[Second] = []
        self.threads: set[str] = set()
        self.has_some = threading.Event()
        self.is_closed = False

    def add(self, second: Second) -> None:
        """Keep a second."""
        self.seconds.append(second)
        self.threads.add(threading.current_thread().name)
        self.has_some.set()

    def close(self) -> None:
        """Note the end."""
        self.is_closed = True


def answer_by_path(peer: Peer) -> None:
    """Answer 200 at /a, and 503 elsewhere."""
    while (request := peer.read()) is not None:
        peer.answer(200 if request.target == "/a" else 503)


def test_sums_of_a_real_load_are_its_totals():
    """The seconds that a thread exports while a load runs add up to the totals of its result."""

    def look(user: User):
        yield user.get("/a", name="a")
        yield user.get("/b", name="b")

    received, said = Received(), list[str]()
    stream = ExportStream({"received": received}, said.append)

    def watch(test: str, merged: MergedReports) -> bool:
        stream.watch(test, merged)
        return False

    with serve(answer_by_path) as server, stream:
        spec = LoadSpec(
            name="load",
            test="load",
            test_file=Path(__file__),
            journeys=mix(look),
            schedule=constant_users(count=2, duration_s=1.0),
            users=[User(0), User(1)],
            cooldown_s=0.0,
        )
        runner = LoadRunner(spec, LocalCoordinator(lambda *_: server.url, watch), "p1")
        merged = runner.run(LoginCache())
        assert merged is not None
        stream.watch("load", merged)  # a busy machine may have sent no report during the load
        assert received.has_some.wait(60)
        stream.finish("load", merged)
    result, whole = compose(merged), Counter[str]()
    for second in received.seconds:
        for name, each in second.endpoints.items():
            whole.update({name: each.requests})
            whole.update({f"status {status}": n for status, n in each.statuses.items()})
            whole.update({f"error {kind}": n for kind, n in each.errors.items()})
    assert whole == {
        **{name: each["total_requests"] for name, each in result["endpoints"].items()},
        **{f"status {status}": n for status, n in result["status_codes"].items()},
        **{f"error {kind}": n for kind, n in result["errors"]["kinds"].items()},
    }
    assert whole["a"] > 0
    assert whole["status 503"] == whole["b"]
    assert "straingauge-export" in received.threads
    assert received.is_closed
    assert said == []


def test_repeated_load_begins_at_zero():
    """A load that is repeated under the same name is exported from its own start."""
    received = Received()
    stream = ExportStream({"received": received}, print, counter)
    for begun in range(2):
        load = MadeLoad()
        load.requests("p1", "GET /a", 10, 5)
        stream.watch("load", replace(load.merged(1.0), start_ns=START_NS + begun))
    stream.close()
    assert [each.start_s for each in received.seconds] == [0, 0]
    assert [each.endpoints["GET /a"].requests for each in received.seconds] == [10, 10]
