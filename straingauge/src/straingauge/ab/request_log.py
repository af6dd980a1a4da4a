"""Single requests of one variant: a pair of slots has too few for a histogram."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from straingauge.ab.slot_plan import Name, SlotPlan
from straingauge.histogram import Ints
from straingauge.http import ErrorKind, RawHeaders, RequestFailed, StreamReader
from straingauge.http.websocket import WebSocket
from straingauge.journey import TransactionEnd
from straingauge.redaction import redact
from straingauge.statistics.distribution import Floats

_UNREACHABLE_AFTER: Final = 50  # requests in a row without a response
_NO_ANSWER: Final = frozenset({ErrorKind.REFUSED, ErrorKind.RESET})


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests of one endpoint of one variant.

    Attributes:
        pairs: Number of the pair of slots in which each successful request was sent.
        took_ms: Response time of each successful request.
        errors: Number of failed requests.
        rate_limited: Number of rate-limited requests.
        total: Number of all requests.
    """

    pairs: Ints = field(default_factory=lambda: np.array([], dtype=np.int64))
    took_ms: Floats = field(default_factory=lambda: np.array([], dtype=np.float64))
    errors: int = 0
    rate_limited: int = 0
    total: int = 0

    def followed_by(self, later: "Requests", after: int) -> "Requests":
        """Append the requests of a later part, whose pairs are numbered from `after`."""
        return Requests(
            np.concatenate((self.pairs, later.pairs + after)),
            np.concatenate((self.took_ms, later.took_ms)),
            self.errors + later.errors,
            self.rate_limited + later.rate_limited,
            self.total + later.total,
        )


@dataclass(frozen=True, slots=True)
class SlotResult:
    """Measurements of one variant's worker in a part of the trial.

    Attributes:
        endpoints: Requests by endpoint.
        cpu_share: CPU usage of the worker; 1.0 is a saturated core.
        problems: First error message of each kind.
        is_unreachable: Whether the service stopped responding.
    """

    endpoints: Mapping[str, Requests]
    cpu_share: float
    problems: Mapping[str, str] = field(default_factory=dict)
    is_unreachable: bool = False


class _EndpointSink:
    """Sink for the outcomes of one endpoint; see `engine.EndpointSink`."""

    def __init__(self, name: str, log: "RequestLog") -> None:
        self._name = name
        self._log = log
        self.rows: list[int] = []  # sent_ns and took_ns, flat
        self.failed: list[int] = []  # when each was sent
        self.rate_limited: list[int] = []

    def add(  # noqa: PLR0917  as the protocol has it
        self,
        intended_ns: int,
        sent_ns: int,
        first_byte_ns: int,  # noqa: ARG002
        done_ns: int,
        status: int,  # noqa: ARG002
        headers: RawHeaders | None,  # noqa: ARG002
        trace: int = 0,  # noqa: ARG002
        /,
    ) -> None:
        self._log.failures_in_a_row = 0
        self.rows += (sent_ns, done_ns - intended_ns)

    def add_failure(  # noqa: PLR0917  as the protocol has it
        self,
        intended_ns: int,  # noqa: ARG002
        sent_ns: int,
        first_byte_ns: int,  # noqa: ARG002
        done_ns: int,  # noqa: ARG002
        failure: RequestFailed,
        trace: int = 0,  # noqa: ARG002
        /,
    ) -> None:
        self._log.failures_in_a_row += failure.kind in _NO_ANSWER
        if failure.kind is ErrorKind.RATE_LIMITED:
            self.rate_limited.append(sent_ns)
            return
        self.failed.append(sent_ns)
        self._log.problem(f"{self._name}: {failure.kind}", failure.detail)

    def add_stream(self, intended_ns: int, stream: StreamReader, /) -> None:
        """Ignore what was read of a stream: its first event is compared, as its response time."""

    def add_websocket(self, socket: WebSocket, closed_ns: int, /) -> None:
        """Ignore a closed WebSocket: its messages are compared as requests."""

    def add_journey_error(self, detail: str, /) -> None:
        self._log.problem(f"{self._name}: journey", detail)

    def add_connection(self, connect_ns: int, /) -> None:
        """Ignore new connections."""


class _TransactionSink:
    """Ignores transactions: builds are compared by their requests."""

    def add(self, begun_ns: int, ended_ns: int, paused_ns: int, end: TransactionEnd, /) -> None:
        """See `engine.TransactionSink`."""


class RequestLog:
    """Sink for the engine's outcomes; see `engine.OutcomeSink`."""

    def __init__(self) -> None:
        self.failures_in_a_row = 0
        self.problems: dict[str, str] = {}
        self._sinks: dict[str, _EndpointSink] = {}

    def endpoint_sink(self, _phase: str, endpoint: str, _origin_ns: int, /) -> _EndpointSink:
        """The sink of one endpoint."""
        name = redact(endpoint)
        return self._sinks.setdefault(name, _EndpointSink(name, self))

    def transaction_sink(self, _phase: str, _name: str, /) -> _TransactionSink:
        """A sink that ignores transactions."""
        return _TransactionSink()

    @property
    def is_unreachable(self) -> bool:
        """True if the service does not respond any more."""
        return self.failures_in_a_row >= _UNREACHABLE_AFTER

    def problem(self, kind: str, detail: str) -> None:
        """Keep the first message of each kind."""
        self.problems.setdefault(kind, redact(detail))

    def requests(self, plan: SlotPlan, variant: Name) -> dict[str, Requests]:
        """Requests sent in this variant's slots; those sent outside of them are skipped."""
        found = {}
        for name, sink in sorted(self._sinks.items()):
            table = np.array(sink.rows, dtype=np.int64).reshape(-1, 2)
            pairs = plan.pair_of(variant, table[:, 0])
            own = pairs >= 0
            failed, rate_limited = (
                int((plan.pair_of(variant, np.array(sent, dtype=np.int64)) >= 0).sum())
                for sent in (sink.failed, sink.rate_limited)
            )
            found[name] = Requests(
                pairs=pairs[own],
                took_ms=table[own, 1] / 1e6,
                errors=failed,
                rate_limited=rate_limited,
                total=int(own.sum()) + failed + rate_limited,
            )
        return found
