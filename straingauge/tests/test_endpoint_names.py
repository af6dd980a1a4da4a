"""Ids in names, as of requests to `/items/{id}` without a name, take bounded memory."""

from locust_caller import Locust
from raw_server import answering, serve
from straingauge.engine.endpoint_sinks import EndpointSinks
from straingauge.recording import MAX_ENDPOINTS, OTHER, Record, Recorder
from straingauge.verdict.validity import ValidityInput, check_validity
from straingauge.workers import Report
from straingauge.workers.merge import merge_reports

NAMES = [f"GET /items/{number}" for number in range(3 * MAX_ENDPOINTS)]


def recorded(names: list[str]) -> Record:
    """Return the record of one request of each name."""
    recorder = Recorder()
    sinks = EndpointSinks(recorder, "main", 0)
    for name in names:
        sinks[name].add(0, 0, 1_000_000, 2_000_000, 200, None)
    return recorder.snapshot()


def test_names_beyond_the_limit_are_counted_together():
    """The first names are recorded apart, and the requests of all others under one name."""
    endpoints = recorded(NAMES).endpoints("main")
    assert set(endpoints) == {*NAMES[:MAX_ENDPOINTS], OTHER}
    assert endpoints[OTHER].requests == len(NAMES) - MAX_ENDPOINTS


def test_as_many_names_as_the_limit_are_recorded_apart():
    """A load test with as many endpoints as the limit is recorded as it is."""
    assert OTHER not in recorded(NAMES[:MAX_ENDPOINTS]).endpoints("main")


def test_the_names_of_a_phase_are_those_of_the_run():
    """An endpoint recorded apart in one phase is recorded apart in all."""
    recorder = Recorder()
    for name in NAMES:
        recorder.endpoint_sink("main", name, 0)
    recorder.endpoint_sink("verify", NAMES[0], 0)
    assert {key for key in recorder.snapshot().series if key[0] == "verify"} == {
        ("verify", NAMES[0])
    }


def test_the_limit_holds_for_all_processes_together():
    """Merged records of processes with different names have no more endpoints than one."""
    parts = [NAMES[start : start + MAX_ENDPOINTS] for start in (0, MAX_ENDPOINTS)]
    reports = [Report("gw", 0, 1, recorded(names).to_bytes(), {}) for names in parts]
    merged = merge_reports(reports)
    assert len(merged.endpoints("main")) == MAX_ENDPOINTS + 1
    assert merged.requests("main") == 2 * MAX_ENDPOINTS


def test_sinks_of_names_with_ids_are_not_kept():
    """The engine keeps a bounded number of names."""
    sinks = EndpointSinks(Recorder(), "main", 0)
    for number in range(20_000):
        assert sinks[f"GET /items/{number}"] is not None
    assert len(sinks) < 2000


def test_the_advice_says_how_to_name_requests():
    """The note says what is counted together, and how to avoid it."""
    (note,) = check_validity(ValidityInput(requests=10_000, endpoint_limit=MAX_ENDPOINTS))
    assert (note.reason, note.severity) == ("many_endpoints", "note")
    assert "'other'" in note.message
    assert "name=" in note.message
    assert 'name="GET /items/{id}"' in note.advice


def test_locusts_statistics_are_bounded(caller: Locust):
    """Names beyond the limit are one entry of Locust's statistics, with and without listeners."""
    with serve(answering()) as server:
        outcome = caller.call(
            server.url,
            f"""
            stats = user.environment.stats
            stats.clear_all()
            hook = user.environment.events.request
            listeners = hook._handlers
            hook._handlers = listeners[:-1]  # none but Locust's own
            for number in range({MAX_ENDPOINTS} + 10):
                client.get(f"/items/{{number}}")
            hook._handlers = listeners
            for number in range(10):
                client.get(f"/others/{{number}}")
            with client.get("/further", catch_response=True) as response:
                response.failure("wrong")
            entries = len(stats.entries), stats.get("{OTHER}", "GET").num_requests
            return [*entries, stats.total.num_requests]
            """,
        )
    assert outcome.value == [MAX_ENDPOINTS + 1, 21, MAX_ENDPOINTS + 21]
    assert outcome.record[f"main {OTHER}"]["requests"] == 21
    assert len(outcome.record) == MAX_ENDPOINTS + 1
