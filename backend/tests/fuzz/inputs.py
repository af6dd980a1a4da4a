"""Kinds of requests that no document describes, and trials of them."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import hypothesis
from app.providers.wav import UnreadableAudio, read_pcm
from hypothesis import strategies as st
from tests.fuzz import cursors, headers, ranges, uploads
from tests.fuzz.scene import Scene
from tests.fuzz.wire import UNDOCUMENTED, Reply, WireRequest, exchange, problem_of

T = TypeVar("T")
Check = Callable[[Scene, WireRequest, Reply], str | None]
ACCEPTED, REFUSED = 200, 400
"""Status of a recording that the decoder reads, and of one that it refuses."""


@dataclass
class Tally:
    """Outcomes of one kind of request.

    Attributes:
        statuses: Number of responses by status.
        problems: The shortest example of each problem.
        counts: Number of examples of each problem.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    problems: dict[str, bytes] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    examples: int = 0

    def add(self, status: int | None, problem: str | None, example: bytes) -> None:
        """Add the outcome of an example."""
        self.examples += 1
        if status is not None:
            self.statuses[status] += 1
        if problem is not None:
            self.counts[problem] += 1
            self.problems[problem] = min(self.problems.get(problem, example), example, key=len)

    @property
    def undocumented(self) -> int:
        """Number of responses that the document does not declare."""
        return sum(n for problem, n in self.counts.items() if problem.startswith(UNDOCUMENTED))


@dataclass(frozen=True)
class Input:
    """One kind of request.

    Attributes:
        name: Its name in options.
        title: Its name in the table.
        requests: Returns a strategy of requests.
        check: Returns what is wrong with a documented response, if anything.
    """

    name: str
    title: str
    requests: Callable[[Scene], st.SearchStrategy[WireRequest]]
    check: Check


INPUTS = {
    each.name: each
    for each in (
        Input("uploads", "uploads and broken recordings", uploads.requests, uploads.check),
        Input("ranges", "byte ranges and conditions", ranges.requests, ranges.check),
        Input("cursors", "cursors and limits of lists", cursors.requests, cursors.check),
        Input("headers", "request lines and headers", headers.requests, headers.check),
    )
}
DECODER = "decoder"
DECODER_TITLE = "broken WAV files, read by the decoder"


def fuzz_input(
    scene: Scene, each: Input, *, examples: int, seed: int, deadline_s: float = float("inf")
) -> Tally:
    """Send random requests of one kind, and check the responses."""
    tally = Tally()

    def attempt(request: WireRequest) -> None:
        reply = None
        try:
            reply = exchange(scene.port, request)
        except Exception as error:  # noqa: BLE001 -- each of them is what a trial looks for
            problem: str | None = f"no HTTP response: {type(error).__name__}: {error}"
        else:
            problem = problem_of(request, reply)
            if problem is None and reply is not None:
                problem = each.check(scene, request, reply)
        tally.add(reply.status if reply is not None else None, problem, request.data)

    run(each.requests(scene), attempt, examples=examples, seed=seed, deadline_s=deadline_s)
    return tally


def fuzz_decoder(*, examples: int, seed: int, deadline_s: float = float("inf")) -> Tally:
    """Read broken recordings as the decoder does."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording"

        def attempt(content: bytes) -> None:
            path.write_bytes(content)
            try:
                sum(map(len, read_pcm(path)))
            except UnreadableAudio:
                tally.add(REFUSED, None, content)
            except Exception as error:  # noqa: BLE001 -- each of them is what a trial looks for
                tally.add(500, f"{type(error).__name__}: {error}", content)
            else:
                tally.add(ACCEPTED, None, content)

        run(uploads.recordings(), attempt, examples=examples, seed=seed, deadline_s=deadline_s)
    return tally


def run(
    strategy: st.SearchStrategy[T],
    attempt: Callable[[T], None],
    *,
    examples: int,
    seed: int,
    deadline_s: float,
) -> None:
    """Try examples of a strategy, as many as begin before `deadline_s` of the monotonic clock."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
        database=None,
        deadline=None,
    )
    @hypothesis.given(strategy)
    def trial(example: T) -> None:
        if time.monotonic() < deadline_s:
            attempt(example)

    trial()
