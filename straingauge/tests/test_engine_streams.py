"""Streams in the engine, against a server that sends each event at a known instant."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from raw_server import Server, serve
from single_journey import run_journey
from straingauge.engine import Load, run_load
from straingauge.http import ErrorKind, RequestFailed, Stream, StreamResponse
from straingauge.journey import User, mix
from straingauge.recording import Recorder, Series
from straingauge.schedule import constant_users
from straingauge.statistics import metrics
from streaming_service import sent_ns, stream


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The server of all tests in this module."""
    with serve(stream) as served:
        yield served


def outcome(server: Server, path: str, declared: Stream | str, **options: float):
    """Send one request; return its response or failure, and what was recorded."""
    found: list[StreamResponse | RequestFailed] = []

    def journey(user: User):
        try:
            found.append((yield user.get(path, stream=declared, **options)))
        except RequestFailed as failure:
            found.append(failure)

    series, stats = run_journey(server.url, journey)
    assert stats.sent == 1
    return found[0], series


def kinds(series: Series) -> dict[str, int]:
    """The errors of a series."""
    return dict(series.errors)


@pytest.mark.serial  # compares measured times with known ones
def test_events_are_stamped_when_they_arrive(server: Server):
    """First event and gaps agree with the instants at which the server has sent them."""
    response, series = outcome(server, "/timed", Stream(stall_s=0.05))
    instants = sent_ns["/timed"]
    assert [event.data for event in response.events] == list("01234")
    measured = series.streams
    assert measured.counts["events"] == 5
    assert measured.counts["ended_server"] == 1
    truth = sorted(b - a for a, b in pairwise(instants))
    gaps = measured.times["event_gap"]
    assert gaps.count == 4
    # Each event may be delayed on its way, and by that its two gaps change.
    assert abs(gaps.sum_ns - sum(truth)) < 30e6
    assert measured.counts["stalls"] == sum(gap > 50e6 for gap in truth) >= 1
    first = measured.times["first_event"]
    assert 25e6 < first.sum_ns < 200e6
    assert series.response.sum_ns == first.sum_ns  # response time is that of the first event
    assert measured.times["duration"].sum_ns == pytest.approx(first.sum_ns + gaps.sum_ns, abs=30e6)


def test_language_model(server: Server):
    """The stream of a language model has the time to its first token, and the times between."""
    response, series = outcome(server, "/llm", "llm")
    measured = series.streams
    assert (measured.counts["events"], measured.counts["tokens"]) == (5, 4)
    assert measured.counts["ended_end_mark"] == 1
    first_event, first_token = measured.times["first_event"], measured.times["first_token"]
    assert first_token.sum_ns - first_event.sum_ns >= 15e6
    assert measured.times["token_gap"].count == 3
    assert response.events[-1].json()["choices"][0]["delta"]["content"] == "word "


def test_connection_is_kept_after_a_complete_stream(server: Server):
    """A stream and the requests around it use one connection."""

    def journey(user: User):
        yield user.get("/plain")
        yield user.get("/llm", stream="llm")
        yield user.get("/unmarked", stream="sse")
        assert (yield user.get("/plain")).json() == {}

    series, stats = run_journey(server.url, journey)
    assert kinds(series) == {}
    assert (stats.sent, stats.connections) == (4, 1)


@pytest.mark.parametrize(
    ("path", "declared", "options", "expected"),
    [
        ("/killed", "sse", {}, (ErrorKind.RESET, "after 2 events")),
        ("/unmarked", "llm", {}, (ErrorKind.EARLY_CLOSE, "before its end mark '[DONE]'")),
        ("/empty", "sse", {}, (ErrorKind.EARLY_CLOSE, "after 0 events, expected at least 1")),
        ("/silent", "sse", {"timeout_s": 1}, (ErrorKind.TIMEOUT, "within 1 s, after 2 events")),
        ("/busy", "sse", {}, (ErrorKind.BAD_STATUS, "status 503, expected 200: try later")),
        ("/json", "sse", {}, (ErrorKind.FAILED_CHECK, "expected 'text/event-stream'")),
        (
            "/endless",
            Stream(checks=("tock",)),
            {},
            (ErrorKind.FAILED_CHECK, "event 1: 'tick' does"),
        ),
        (
            "/endless",
            Stream(checks=(lambda event: event.json()["a"],)),
            {},
            (ErrorKind.FAILED_CHECK, "event 1: JSONDecodeError"),
        ),
        ("/endless", Stream(max_event_bytes=3), {}, (ErrorKind.PROTOCOL, "more than 3 bytes")),
        (
            "/silent",
            Stream(max_s=0.5, min_events=3),
            {},
            (ErrorKind.EARLY_CLOSE, "after 2 events, expected at least 3"),
        ),
    ],
)
def test_failures(
    server: Server,
    path: str,
    declared: Stream | str,
    options: dict[str, Any],
    expected: tuple[ErrorKind, str],
):
    """Each way in which a stream can fail is one error of its kind, with how far it had come."""
    kind, detail = expected
    failure, series = outcome(server, path, declared, **options)
    assert kinds(series) == {kind: 1}
    assert failure.kind is kind
    assert detail in series.examples[0].detail
    assert series.streams.counts["streams"] == (path not in ("/busy", "/json"))


def test_a_stall_before_the_time_limit_is_counted(server: Server):
    """A stream that falls silent has a stall although no further event ends the gap."""
    _, series = outcome(server, "/silent", Stream(stall_s=0.5), timeout_s=1)
    assert series.streams.counts["stalls"] == 1


@pytest.mark.parametrize(
    ("path", "declared"),
    [
        ("/endless", Stream(max_events=5)),
        ("/endless", Stream(max_s=0.5)),
        ("/silent", Stream(max_s=0.5)),
    ],
)
def test_a_stream_that_the_client_ends_on_purpose_is_no_error(
    server: Server, path: str, declared: Stream
):
    """After `max_events` or `max_s`, even in silence, the client closes, and that is a success."""
    _, series = outcome(server, path, declared)
    assert kinds(series) == {}
    assert series.streams.counts["ended_limit"] == 1
    assert series.streams.counts["events"] >= 2
    if declared.max_events:
        assert series.streams.counts["events"] == 5


@pytest.mark.serial  # compares measured times with known ones
def test_an_endless_stream_ends_with_the_load(server: Server):
    """At the end of the load, a stream without end mark and limit is closed, which is no error."""
    recorder = Recorder()

    def journey(user: User):
        yield user.get("/endless", stream="sse")

    schedule = constant_users(count=3, duration_s=0.3)
    stats = run_load(
        Load(server.url, schedule, mix(journey), [User(n) for n in range(3)]), recorder
    )
    assert stats.duration_s < 2
    found = metrics(recorder.snapshot())
    assert found["errors"]["kinds"] == {}
    assert found["streams"]["ended"] == {"load_end": 3}
    assert found["latency_ms"]["max"] < 250
    assert found["streams"]["events_per_stream"]["min"] >= 5


@pytest.mark.serial  # compares measured times with known ones
def test_a_stream_that_begins_as_the_load_ends_is_ended_too(server: Server):
    """A stream without an event at the end of the load is closed after its first one."""
    recorder = Recorder()

    def journey(user: User):
        yield user.get("/late", stream="sse")

    schedule = constant_users(count=1, duration_s=0.05)
    stats = run_load(Load(server.url, schedule, mix(journey), [User(0)]), recorder)
    assert stats.duration_s < 2
    found = metrics(recorder.snapshot())
    assert found["errors"]["kinds"] == {}
    assert found["streams"]["ended"] == {"load_end": 1}
