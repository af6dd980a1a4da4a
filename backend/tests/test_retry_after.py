"""Whether the load test believes a Retry-After that is true, and no other.

Services are made up here, to the moment at which each thing happens.
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
from tests.performance.proving.suite import PERFORMANCE

from straingauge import Pause, Request, Response, User

REFUSED_S = 1000.0


@dataclass
class Limiter:
    """A service that refused a user and said for how long; by the clock of this test.

    Attributes:
        serves_from_s: From then on it serves the user.
        ways_s: What each request takes to it, and each answer back.
        now_s: What the clock says.
    """

    serves_from_s: float
    ways_s: Iterator[float] = field(default_factory=lambda: repeat(0.0))
    now_s: float = REFUSED_S

    def monotonic(self) -> float:
        """Stands for the function of `time`."""
        return self.now_s

    def answer(self, request: Request) -> Response:
        """Its answer, when it is here."""
        self.now_s += next(self.ways_s)
        status = 200 if self.now_s >= self.serves_from_s else 429
        self.now_s += next(self.ways_s)
        return Response(request, status, b"", b"[]")


@pytest.fixture(scope="module")
def rate_limit() -> ModuleType:
    """The load test's own rules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PERFORMANCE))
        return importlib.import_module("rate_limit")


def judged(rate_limit: ModuleType, limiter: Limiter, said_s: int) -> str:
    """What the load test finds wrong with the Retry-After of this one."""
    head = encode_headers([(b"Retry-After", b"%d" % said_s)])
    answer = Response(Request("GET", "/", "GET /"), 429, head, b"")
    asked_s = REFUSED_S - next(limiter.ways_s)
    limiter.now_s += next(limiter.ways_s)
    refusal = rate_limit.Refusal(100, 0, asked_s, limiter.now_s, answer, REFUSED_S)
    user = User(0)
    user.data["refusal"] = refusal
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rate_limit, "time", SimpleNamespace(monotonic=limiter.monotonic))
        play = Execution(rate_limit.wait_it_out, user)
        step = play.begin()
        while step is not None:
            if isinstance(step, Pause):
                limiter.now_s += step.seconds
                step = play.resume()
            else:
                step = play.answer(limiter.answer(step))
    return str(rate_limit._untrue(user, refusal))


@given(st.floats(0.001, 60), st.lists(st.floats(0, 5), min_size=6, max_size=6))
def test_what_is_true_is_believed(rate_limit: ModuleType, over_in_s: float, ways_s: list[float]):
    """Rounded up to whole seconds, and however long requests are on their way."""
    limiter = Limiter(REFUSED_S + over_in_s, iter(ways_s))
    assert judged(rate_limit, limiter, math.ceil(over_in_s)) == ""


@pytest.mark.parametrize(
    ("serves_after_s", "said_s", "wrong"),
    [
        (0, 2, "said 2 s, and over 1 s before they were over the user was served"),
        (27.9, 30, "said 30 s, and over 1 s before they were over the user was served"),
        (30.1, 30, "said 30 s, and when they were over the user was refused again"),
        (5, 61, "61 s, but the window has 60 s"),
        (5, 0, "0 on the 429: no client knows when to come back"),
    ],
)
def test_what_is_untrue_is_named(
    rate_limit: ModuleType, serves_after_s: float, said_s: int, wrong: str
):
    """Too long or too short a time by more than it is rounded by, no time at all, nonsense."""
    assert judged(rate_limit, Limiter(REFUSED_S + serves_after_s), said_s) == wrong
