"""The load test accepts a correct Retry-After, and only a correct one.

The service is simulated, with exact times for each event.
"""

import importlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from straingauge.http import encode_headers
from straingauge.journey import Execution
from tests.performance.fault_injection.suite import PERFORMANCE

from straingauge import Pause, Request, Response, User

REFUSED_S = 1000.0


@dataclass
class Limiter:
    """A simulated service that has refused a user.

    Attributes:
        serves_from_s: Time from which it serves the user.
        latencies_s: Latency of each request and of each response.
        now_s: Current time.
    """

    serves_from_s: float
    latencies_s: Iterator[float] = field(default_factory=lambda: repeat(0.0))
    now_s: float = REFUSED_S

    def monotonic(self) -> float:
        """Replace `time.monotonic`."""
        return self.now_s

    def respond(self, request: Request) -> Response:
        """Return the response after both latencies."""
        self.now_s += next(self.latencies_s)
        status = 200 if self.now_s >= self.serves_from_s else 429
        self.now_s += next(self.latencies_s)
        return Response(request, status, b"", b"[]")


@pytest.fixture(scope="module")
def rate_limit() -> ModuleType:
    """The module of the load tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PERFORMANCE))
        return importlib.import_module("rate_limit")


def retry_after_problem(rate_limit: ModuleType, limiter: Limiter, retry_after_s: int) -> str:
    """Return the problem that the load test finds with the Retry-After of a limiter."""
    head = encode_headers([(b"Retry-After", b"%d" % retry_after_s)])
    response = Response(Request("GET", "/", "GET /"), 429, head, b"")
    sent_s = REFUSED_S - next(limiter.latencies_s)
    limiter.now_s += next(limiter.latencies_s)
    refusal = rate_limit.Refusal(100, 0, sent_s, limiter.now_s, response, REFUSED_S)
    user = User(0)
    user.data["refusal"] = refusal
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rate_limit, "time", SimpleNamespace(monotonic=limiter.monotonic))
        execution = Execution(rate_limit.honor_retry_after, user)
        step = execution.begin()
        while step is not None:
            if isinstance(step, Pause):
                limiter.now_s += step.seconds
                step = execution.resume()
            else:
                step = execution.answer(limiter.respond(step))
    return str(rate_limit._retry_after_problem(user, refusal))


@given(st.floats(0.001, 60), st.lists(st.floats(0, 5), min_size=6, max_size=6))
def test_correct_retry_after_is_accepted(
    rate_limit: ModuleType, window_ends_in_s: float, latencies_s: list[float]
):
    """A Retry-After rounded up to whole seconds is accepted at any latency."""
    limiter = Limiter(REFUSED_S + window_ends_in_s, iter(latencies_s))
    assert retry_after_problem(rate_limit, limiter, math.ceil(window_ends_in_s)) == ""


@pytest.mark.parametrize(
    ("window_ends_in_s", "retry_after_s", "problem"),
    [
        (0, 2, "2 s, but the user was served more than 1 s before its end"),
        (27.9, 30, "30 s, but the user was served more than 1 s before its end"),
        (30.1, 30, "30 s, but the user was refused again after it"),
        (5, 61, "61 s, but the window is 60 s"),
        (5, 0, "0 on the 429, so clients do not know when to retry"),
    ],
)
def test_wrong_retry_after_is_reported(
    rate_limit: ModuleType, window_ends_in_s: float, retry_after_s: int, problem: str
):
    """A Retry-After that is invalid, or wrong by more than the rounding, is reported."""
    limiter = Limiter(REFUSED_S + window_ends_in_s)
    assert retry_after_problem(rate_limit, limiter, retry_after_s) == problem
