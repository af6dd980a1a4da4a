"""Faults that make real runs invalid: each is named in the result, and such a run has no grade.

See also a squeezed generator in test_truth_saturation.py, a log-in that fails and Ctrl-C in
test_pytest_plugin.py, a killed worker in test_truth_kill.py.
"""

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest
from diagnosis_results import REQUESTS, causes, complaint, errors_of, failed_run
from load_results import judged, reasons
from raw_server import Handler, Peer, answering, serve
from straingauge.engine import Load
from straingauge.http import Response
from straingauge.http.address import Address, connect_failure
from straingauge.http.settings import HttpSettings
from straingauge.journey import Journey, User, mix
from straingauge.result.format.reason import as_dict
from straingauge.schedule import Schedule, constant, constant_users, poisson, spread
from straingauge.statistics.throughput import Throughput
from straingauge.verdict import Thresholds, ValidityInput, check_validity, judge
from straingauge.verdict.validity_input import disconnected, wrong_responses


def get(user: User):
    """One GET."""
    yield user.get("/")


def result_of(
    handler: Handler,
    schedule: Schedule,
    *,
    journey: Journey = get,
    crowd: int = 20,
    **load: Any,  # noqa: ANN401  of Load
) -> dict[str, Any]:
    """The judged result of a load at this service."""
    with serve(handler) as server:
        everybody = [User(n) for n in range(crowd)]
        return judged(Load(server.url, schedule, mix(journey), everybody, **load))


def slow(peer: Peer) -> None:
    """Takes a fifth of a second for each answer."""
    while peer.read() is not None:
        time.sleep(0.2)
        peer.answer()


def hold_the_loop(_: Response) -> None:
    """A check that keeps the generator's event loop without even using its core."""
    time.sleep(0.2)


def holding(user: User):
    """A GET with a faulty check."""
    yield user.get("/", checks=[hold_the_loop])


def spoilt() -> list[Any]:
    """A run for each thing that spoils it, and the reason's name."""
    some = spread(count=400, duration_s=0.5)
    return [
        pytest.param("rate_limited", {"handler": answering(429), "schedule": some}, id="429"),
        pytest.param(
            "dropped_work",
            {"handler": slow, "schedule": some, "crowd": 2, "most_waiting": 1},
            id="dropped",
        ),
        pytest.param(
            "no_data",
            {"handler": answering(), "schedule": poisson(rate_per_s=1e-9, duration_s=1)},
            id="no data",
        ),
        pytest.param(
            "generator_saturated",
            {
                "handler": answering(),
                "schedule": constant_users(count=1, iterations=15),
                "journey": holding,
            },
            id="loop lag",
        ),
    ]


@pytest.mark.parametrize(("reason", "run"), spoilt())
def test_a_spoilt_run_is_invalid_and_says_why(reason: str, run: dict[str, Any]):
    """Its reason is in the result, and the run has no grade, however good its statistics."""
    result = result_of(**run)
    assert reasons(result)[reason] == "invalid"
    assert not result["validity"]["valid"]
    assert result["verdict"]["grade"] == "invalid"


def test_too_few_samples_are_said_to_be_so():
    """A short run is valid, its p99 has a reason for an interval, and a note says so."""
    result = result_of(answering(), constant(rate_per_s=100, duration_s=0.2))
    assert reasons(result)["few_samples"] == "note"
    assert result["validity"]["valid"]
    p99 = result["metrics"]["latency_ms"]["confidence_intervals"]["p99"]
    assert (p99["low"], p99["high"]) == (None, None)
    assert "too few for p99" in p99["reason"]


@pytest.mark.parametrize(("longest_s", "noted"), [(19.7, True), (0.4, False)])
def test_stragglers_are_named(longest_s: float, *, noted: bool):
    """A response long after the schedule is a note; one that hardly shifts the rate is none."""
    found = Throughput(19.9, duration_s=10.0, stragglers=1, longest_s=longest_s)
    reasons = check_validity(ValidityInput(requests=2000, throughput=found))
    messages = [each.message for each in reasons if each.reason == "stragglers"]
    assert len(messages) == noted
    assert all(message.startswith("1 of 2,000 requests ended after") for message in messages)
    assert all(each.severity == "note" for each in reasons)


def test_a_run_without_requests_has_no_busy_generator():
    """The CPU share of a load that sent nothing is no limit of its throughput."""
    for requests, is_noted in ((0, False), (2000, True)):
        found = check_validity(ValidityInput(requests=requests, cpu_share=1.87))
        assert ("generator_busy" in {each.reason for each in found}) is is_noted


def test_a_server_without_keep_alive_is_a_note():
    """A server that closes connections by design is a note, since connecting takes time."""
    (note,) = check_validity(ValidityInput(requests=2000, closing_server="gunicorn"))
    assert (note.reason, note.severity) == ("no_keep_alive", "note")
    assert note.message.startswith("gunicorn closes the connection after each response")


LATE = {"requests": 200, "p95_ms": 2.0, "start_delay_p99_ms": 900.0, "loop_lag_p99_ms": 400.0}


@pytest.mark.parametrize(
    ("kinds", "severity"),
    [
        ({"refused": 200}, "note"),
        ({"reset": 90, "refused": 80}, "note"),
        ({"certificate_expired": 200}, "note"),
        ({"refused": 100}, "invalid"),
        ({"timeout": 200}, "invalid"),
        ({"bad_status": 200}, "note"),
        ({"bad_status": 120, "failed_check": 80}, "note"),
        ({"bad_status": 199}, "invalid"),
        ({"bad_status": 90, "timeout": 110}, "invalid"),
        ({"out_of_sockets": 200}, "invalid"),
    ],
)
def test_a_service_does_not_serve_however_late_the_generator_is(
    kinds: dict[str, int], severity: str
):
    """Delays and dropped arrivals are notes if most connections fail or no response is right."""
    found = ValidityInput(
        **LATE,
        dropped=50,
        failed=sum(kinds.values()),
        disconnected=disconnected(kinds),
        wrong_responses=wrong_responses(kinds),
    )
    reasons = {each.reason: each for each in check_validity(found)}
    for name in ("generator_late", "dropped_work"):
        assert reasons[name].severity == severity
        assert ("judged nevertheless" in reasons[name].message) == (severity == "note")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.EMFILE, "out_of_sockets"),
        (errno.ENFILE, "out_of_sockets"),
        (errno.EADDRNOTAVAIL, "out_of_sockets"),
        (errno.ECONNREFUSED, "refused"),
        (errno.ECONNRESET, "reset"),
        (errno.EHOSTUNREACH, "unreachable"),
        (errno.ENETUNREACH, "unreachable"),
    ],
)
@pytest.mark.parametrize("settings", [{}, {"unix_socket": "/s"}, {"proxy": "http://127.0.0.1:9"}])
def test_limits_of_the_generator_are_no_failures_of_the_service(
    code: int, kind: str, settings: dict[str, str]
):
    """A missing file or port of this machine has its own kind, and makes most runs invalid."""
    address = Address("localhost", 80, tls=False, settings=HttpSettings.of(settings, Path("/")))
    failure = connect_failure(OSError(code, os.strerror(code)), "127.0.0.1", address)
    is_own = kind == "out_of_sockets"
    assert (failure.kind == "out_of_sockets") is is_own
    if not settings:
        assert failure.kind == kind
    assert disconnected({failure.kind: 10}) == (0 if is_own or "proxy" in settings else 10)


def test_requests_that_the_generator_cannot_send_are_its_own_fault():
    """They make the run invalid, and stand before the service among the causes."""
    for count, severity in ((50, "invalid"), (5, "note")):
        found = check_validity(ValidityInput(requests=1000, without_socket=count))
        assert [each.severity for each in found if each.reason == "out_of_sockets"] == [severity]
    run = failed_run(
        complaint("error_rate_percent"),
        **errors_of("out_of_sockets", 90, "Too many open files (on this machine)"),
    )
    assert causes(run) == ["out_of_sockets"]


def test_a_service_that_dies_in_the_middle_of_a_late_load():
    """A load that ends because the service is dead is judged if most errors are connections."""
    for kind, severity in (("refused", "note"), ("timeout", "invalid")):
        kinds = {kind: 30, "timeout": 2}
        found = ValidityInput(
            **LATE, failed=sum(kinds.values()), has_died=True, disconnected=disconnected(kinds)
        )
        assert {each.severity for each in check_validity(found) if "late" in each.reason} == {
            severity
        }
    found = ValidityInput(**LATE, failed=32, disconnected=30)
    assert not found.is_down


def test_a_service_that_is_down_is_critical_on_a_busy_machine():
    """Refused connections are graded, and named as the cause, if the generator was late, too."""
    run = failed_run(**errors_of("refused", REQUESTS, "connection refused"))
    run["validity"] = as_dict(check_validity(ValidityInput(**LATE, disconnected=200)))
    run["verdict"] = judge(run, Thresholds.parse({}, source="a test")).as_dict()
    assert run["verdict"]["grade"] == "critical"
    assert causes(run)[0] == "unreachable"
