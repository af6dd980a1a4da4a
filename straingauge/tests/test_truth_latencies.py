"""Truth 5, known latencies: each request's times against the log of a service that sleeps.

Both clocks are one, so cause and effect bound each figure without any tolerance: a request is
received after it was sent, it is done after its answer left the service, and the journey's next
request is received after that. How fast the machine is does not matter.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from straingauge.engine import Load, run_load
from straingauge.http import RequestFailed
from straingauge.journey import User, mix
from straingauge.recording import EndpointRecorder, Record, Recorder
from straingauge.schedule import constant

SERVICE = Path(__file__).with_name("sleeping_service.py")
ARRIVALS = constant(rate_per_s=100, duration_s=2)
STEPS = 3  # requests in each journey
USERS = 5  # so few that arrivals have to wait for one
MEAN_S = 0.015
Key = tuple[int, int]
"""A request: the number of its journey, and its step in it."""


class Outcome(NamedTuple):
    """The engine's times of a request, in nanoseconds of the monotonic clock."""

    intended: int
    sent: int
    first_byte: int
    done: int


class Logged(NamedTuple):
    """The service's times of it."""

    received: int
    answered: int
    sleep: int


class KeepingSink:
    """A sink that keeps each outcome by its request, and passes it on to a recorder."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.outcomes: dict[Key, Outcome] = {}

    def endpoint_sink(self, phase: str, endpoint: str, origin_ns: int) -> "KeepingEndpoint":
        """Return the sink of one request, which is a separate endpoint here."""
        n, step = map(int, endpoint.split("/"))
        recorder = self.recorder.endpoint_sink(phase, f"{step}", origin_ns)
        return KeepingEndpoint(self, (n, step), recorder)


class KeepingEndpoint:
    """Keeps one request's outcome."""

    def __init__(self, sink: KeepingSink, key: Key, recorder: EndpointRecorder) -> None:
        self._sink, self._key, self._recorder = sink, key, recorder
        self.add_connection = recorder.add_connection
        self.add_journey_error = recorder.add_journey_error

    def add(self, *outcome: int) -> None:
        """Keep it; there must be but one."""
        assert self._key not in self._sink.outcomes
        self._sink.outcomes[self._key] = Outcome(*outcome[:4])
        self._recorder.add(*outcome)

    def add_failure(self, *outcome: object) -> None:
        """No request fails here."""
        failure = outcome[-1]
        assert isinstance(failure, RequestFailed)
        raise failure


class BothSides(NamedTuple):
    """Both sides of one load."""

    start_ns: int
    outcomes: dict[Key, Outcome]
    log: dict[Key, Logged]
    record: Record


@pytest.fixture(scope="module")
def both_sides() -> BothSides:
    """Journeys of three requests, more than the users can run at once."""
    numbers = iter(range(ARRIVALS.count))

    def three(user: User):
        n = next(numbers)
        for step in range(STEPS):
            yield user.get(f"/{n}/{step}", name=f"{n}/{step}")

    sink = KeepingSink()
    with subprocess.Popen(
        [sys.executable, str(SERVICE), str(MEAN_S)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as service:
        assert service.stdout is not None
        url = f"http://127.0.0.1:{int(service.stdout.readline())}"
        start_ns = time.monotonic_ns()
        load = Load(url, ARRIVALS, mix(three), [User(n) for n in range(USERS)])
        run_load(load, sink, start_ns=start_ns)
        written, _ = service.communicate()
    log = {}
    for target, *figures in json.loads(written):
        n, step = map(int, target[1:].split("/"))
        log[n, step] = Logged(*figures)
    return BothSides(start_ns, sink.outcomes, log, sink.recorder.snapshot())


@pytest.mark.e2e
def test_every_request_is_recorded_once(both_sides: BothSides):
    """Straingauge records exactly the requests that the service served."""
    everything = {(n, step) for n in range(ARRIVALS.count) for step in range(STEPS)}
    assert both_sides.outcomes.keys() == both_sides.log.keys() == everything


def test_each_stamp_lies_between_the_services_own(both_sides: BothSides):
    """Each request was sent before it was received, and done after it was answered."""
    for key, logged in both_sides.log.items():
        outcome = both_sides.outcomes[key]
        assert outcome.sent <= logged.received
        assert logged.answered <= outcome.first_byte <= outcome.done
        # It slept as long as it says, to a millisecond: the resolution of an event loop's timers.
        assert outcome.done - outcome.sent > logged.sleep - 1_000_000


def test_no_stamp_is_late(both_sides: BothSides):
    """Each request was done before the service received the journey's next one."""
    for (n, step), logged in both_sides.log.items():
        if step > 0:
            assert both_sides.outcomes[n, step - 1].done <= both_sides.outcomes[n, step].intended
            assert both_sides.outcomes[n, step].intended <= both_sides.outcomes[n, step].sent
            assert both_sides.outcomes[n, step - 1].done <= logged.received


def test_response_time_counts_from_the_schedule(both_sides: BothSides):
    """A journey's first request is timed from its arrival, however long it waited for a user."""
    waited = 0
    for n in range(ARRIVALS.count):
        arrival_s = ARRIVALS.arrivals(n)
        assert arrival_s is not None
        first = both_sides.outcomes[n, 0]
        assert first.intended == both_sides.start_ns + round(arrival_s * 1e9)
        waited += first.sent - first.intended > 1_000_000
    assert waited > 0


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("step", range(STEPS - 1))
def test_percentiles_lie_between_those_of_the_log(both_sides: BothSides, step: int, q: float):
    """Percentiles of response and service time are the log's, as far as a log can tell them.

    A service knows two things of its client's times: they are longer than until its response, and
    shorter than until the next request. Between the percentiles of the one and of the other must
    be what was recorded, within the histogram's 0.5 %.
    """
    series = both_sides.record.endpoints("main")[f"{step}"]
    numbers = range(ARRIVALS.count)
    answered = np.array([both_sides.log[n, step].answered for n in numbers])
    next_received = np.array([both_sides.log[n, step + 1].received for n in numbers])
    began = {
        series.response: [both_sides.outcomes[n, step].intended for n in numbers],
        series.service: [both_sides.outcomes[n, step].sent for n in numbers],
    }
    for recorded, beginnings in began.items():
        least, most = (
            np.quantile(ends - np.array(beginnings), q, method="inverted_cdf")
            for ends in (answered, next_received)
        )
        assert 0.995 * least <= (recorded.quantile_ns(q) or 0) <= 1.005 * most
