"""Exports of single requests: which are sampled, and how files and a collector get them."""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_receiver import receiving
from raw_server import Peer, serve
from straingauge.errors import UsageError
from straingauge.exports import ExportStream, exporters_for, sampling_for
from straingauge.http.traceparent import SampledTraceIds
from straingauge.journey import User, mix
from straingauge.recording.request_samples import MAX_KEPT, RequestSamples
from straingauge.runner import LoadRunner, LoadSpec, LoginCache
from straingauge.schedule import constant_users
from straingauge.workers import LocalCoordinator, MergedReports


def look(user: User) -> Iterator[Any]:
    """A request that succeeds, and one that fails."""
    yield user.get("/a", name="a")
    yield user.get("/b", name="b")


def exported(*names: str) -> dict[str, str]:
    """Export a load of a second; returns the sampled flag of each request by its trace id."""
    flags: dict[str, str] = {}

    def respond(peer: Peer) -> None:
        while (request := peer.read()) is not None:
            found = re.search(r"traceparent: 00-(\w{32})-\w{16}-(\d\d)", request.head)
            if found:  # other requests are those of the observer
                flags[found[1]] = found[2]
            peer.answer(200 if request.target == "/a" else 503)

    said = list[str]()
    stream = ExportStream(exporters_for(names), said.append)

    def watch(test: str, merged: MergedReports) -> bool:
        stream.watch(test, merged)
        return False

    with serve(respond) as server, stream:
        spec = LoadSpec(
            name="load",
            test="load",
            test_file=Path(__file__),
            journeys=mix(look),
            schedule=constant_users(count=2, duration_s=1.0),
            users=[User(0), User(1)],
            cooldown_s=0.0,
            sampling=sampling_for(names),
        )
        runner = LoadRunner(spec, LocalCoordinator(lambda *_: server.url, watch), "p1")
        merged = runner.run(LoginCache())
        assert merged is not None
        stream.finish("load", merged)
    assert said == []
    return flags


def require_samples(rows: Sequence[dict[str, Any]], flags: dict[str, str]) -> None:
    """Check that rows are different requests that were sent, one in 100 ms at most."""
    ids = [row["trace_id"] for row in rows]
    assert len(set(ids)) == len(ids)
    assert set(ids) <= flags.keys()
    assert 1 <= len(rows) <= 20 < len(flags)
    starts_s = [float(row["start_s"]) for row in rows]
    assert starts_s == sorted(starts_s)
    for row in rows:
        expected = {"a": ("200", ""), "b": ("503", "bad_status")}[row["endpoint"]]
        assert (str(row["status"]), row["error"]) == expected
        assert 0 < float(row["service_ms"]) <= float(row["response_ms"])
        assert row["run"] == "load"


def test_files_have_single_requests_with_their_times(tmp_path: Path):
    """JSON lines and CSV have the same requests, whose header does not ask the service to trace."""
    lines, table = tmp_path / "a.samples.jsonl", tmp_path / "a.samples.csv"
    flags = exported(str(lines), str(table))
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    require_samples(rows, flags)
    assert set(flags.values()) == {"00"}
    with table.open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [{key: str(value) for key, value in row.items()} for row in rows] == read


def test_a_collector_gets_spans_that_those_of_the_service_are_below():
    """A span has the ids and the sampled flag that its request had in its header."""
    traces = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    with receiving() as receiver:
        flags = exported(f"otlp-spans+http://127.0.0.1:{receiver.port}")
    spans = [
        span
        for body in receiver.bodies
        for of_resource in traces.ExportTraceServiceRequest.FromString(body).resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]
    assert set(receiver.paths) == {"/v1/traces"}
    sampled = {trace_id for trace_id, flag in flags.items() if flag == "01"}
    assert {span.trace_id.hex() for span in spans} == sampled
    assert 1 <= len(sampled) <= 20 < len(flags)
    for span in spans:
        assert (span.kind, len(span.span_id)) == (3, 8)
        assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 60 * 10**9
        values = {each.key: each.value for each in span.attributes}
        status = values["http.response.status_code"].int_value
        assert (span.name, status) in {("a", 200), ("b", 503)}
        assert span.status.code == (2 if status == 503 else 0)


def test_memory_of_samples_is_bounded():
    """However many requests are sampled between two reports, the latest are kept."""
    samples, ids = RequestSamples(), SampledTraceIds(every_ns=0)
    for number in range(3):
        table = np.full((MAX_KEPT, 6), number, dtype=np.int64)
        samples.add("a", ids, table)
    assert len(samples.latest()) == MAX_KEPT
    assert {each.intended_ns for each in samples.latest()} == {2}


@pytest.mark.parametrize(
    "name", ["a.samples.jsonl", "a.samples.csv", "otlp-spans+http://127.0.0.1:1"]
)
def test_samples_that_are_not_kept_are_a_usage_error(name: str):
    """Without the header traceparent, or in Locust, there are no samples to export."""
    with pytest.raises(UsageError, match=r"no samples of requests: there is no header"):
        exporters_for([name], no_samples="there is no header")


@pytest.mark.parametrize(
    ("names", "sampling"),
    [
        ((), "none"),
        (("seconds.jsonl", "otlp+http://127.0.0.1:1"), "none"),
        (("seconds.jsonl", "A.SAMPLES.CSV"), "samples"),
        (("a.samples.jsonl", "otlp-spans+http://127.0.0.1:1"), "spans"),
    ],
)
def test_requests_are_sampled_only_for_exports_that_need_them(
    names: tuple[str, ...], sampling: str
):
    """Other exports cost nothing for each request, and no service traces requests for them."""
    assert sampling_for(names) == sampling
