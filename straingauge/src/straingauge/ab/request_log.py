"""Every request of one side, kept singly: a pair of slots has too few for a histogram."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from straingauge.ab.slot_plan import Name, SlotPlan
from straingauge.compare.sample import Floats
from straingauge.histogram import Ints
from straingauge.http import ErrorKind, RawHeaders, RequestFailed

_HOPELESS: Final = 50  # requests in a row that got no answer: nobody is there any more
_NO_ANSWER: Final = frozenset({ErrorKind.REFUSED, ErrorKind.RESET})


@dataclass(frozen=True, slots=True)
class Requests:
    """One endpoint's requests on one side.

    Attributes:
        pairs: The pair in which each that was served was sent.
        took_ms: Its response time.
        errors: How many went wrong.
        limited: How many were rate limited.
        asked: How many there were in all.
    """

    pairs: Ints = field(default_factory=lambda: np.array([], dtype=np.int64))
    took_ms: Floats = field(default_factory=lambda: np.array([], dtype=np.float64))
    errors: int = 0
    limited: int = 0
    asked: int = 0

    def followed_by(self, later: "Requests", after: int) -> "Requests":
        """These and those of a later part, whose pairs are numbered from `after` on."""
        return Requests(
            np.concatenate((self.pairs, later.pairs + after)),
            np.concatenate((self.took_ms, later.took_ms)),
            self.errors + later.errors,
            self.limited + later.limited,
            self.asked + later.asked,
        )


@dataclass(frozen=True, slots=True)
class SlotResult:
    """What one side's player has measured in a part of the trial.

    Attributes:
        endpoints: The requests by endpoint.
        cpu_share: Of the generator; 1.0 is a saturated core.
        problems: The first error of each kind, in words.
        gone: Whether nobody answered any more.
    """

    endpoints: Mapping[str, Requests]
    cpu_share: float
    problems: Mapping[str, str] = field(default_factory=dict)
    gone: bool = False


class _Channel:
    """Takes the outcomes of one endpoint; see `engine.Channel`."""

    def __init__(self, name: str, tally: "RequestLog") -> None:
        self._name = name
        self._tally = tally
        self.rows: list[int] = []  # sent and took, flat
        self.failed: list[int] = []  # when each was sent
        self.limited: list[int] = []

    def add(  # noqa: PLR0917  as the protocol has it
        self,
        intended_ns: int,
        sent_ns: int,
        first_byte_ns: int,  # noqa: ARG002
        done_ns: int,
        status: int,  # noqa: ARG002
        headers: RawHeaders | None,  # noqa: ARG002
        /,
    ) -> None:
        self._tally.in_a_row = 0
        self.rows += (sent_ns, done_ns - intended_ns)

    def fail(
        self,
        intended_ns: int,  # noqa: ARG002
        sent_ns: int,
        first_byte_ns: int,  # noqa: ARG002
        done_ns: int,  # noqa: ARG002
        failure: RequestFailed,
        /,
    ) -> None:
        self._tally.in_a_row += failure.kind in _NO_ANSWER
        if failure.kind is ErrorKind.RATE_LIMITED:
            self.limited.append(sent_ns)
            return
        self.failed.append(sent_ns)
        self._tally.problem(f"{self._name}: {failure.kind}", failure.detail)

    def journey_error(self, detail: str, /) -> None:
        self._tally.problem(f"{self._name}: journey", detail)

    def connected(self, connect_ns: int, /) -> None:
        """A connection says nothing here."""


class RequestLog:
    """Where the engine brings its outcomes; see `engine.Sink`."""

    def __init__(self) -> None:
        self.in_a_row = 0
        self.problems: dict[str, str] = {}
        self._channels: dict[str, _Channel] = {}

    def channel(self, _phase: str, endpoint: str, _origin_ns: int, /) -> _Channel:
        """The way in for one endpoint."""
        return self._channels.setdefault(endpoint, _Channel(endpoint, self))

    @property
    def hopeless(self) -> bool:
        """Whether nobody answers any more."""
        return self.in_a_row >= _HOPELESS

    def problem(self, kind: str, detail: str) -> None:
        """Keep the first of each kind."""
        self.problems.setdefault(kind, detail)

    def requests(self, turns: SlotPlan, side: Name) -> dict[str, Requests]:
        """What was sent in this side's turns; what came late, in the other's, is left out."""
        found = {}
        for name, channel in sorted(self._channels.items()):
            table = np.array(channel.rows, dtype=np.int64).reshape(-1, 2)
            pairs = turns.pair_of(side, table[:, 0])
            own = pairs >= 0
            failed, limited = (
                int((turns.pair_of(side, np.array(sent, dtype=np.int64)) >= 0).sum())
                for sent in (channel.failed, channel.limited)
            )
            found[name] = Requests(
                pairs=pairs[own],
                took_ms=table[own, 1] / 1e6,
                errors=failed,
                limited=limited,
                asked=int(own.sum()) + failed + limited,
            )
        return found
