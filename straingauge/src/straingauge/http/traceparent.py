"""The header `traceparent`, by which the spans of a service belong to a request.

W3C Trace Context (https://www.w3.org/TR/trace-context/): version, trace id, id of the span that
sends the request, and flags, of which the lowest bit means *sampled*::

    traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
"""

import secrets
from time import monotonic_ns
from typing import Final, Literal

PREFIX_CHARS: Final = 16
_LOW: Final = [b"%03x" % number for number in range(4096)]
_BLOCK: Final = len(_LOW)
_SHARD_SHIFT: Final = 40  # a process sends fewer requests
# Enough spans for each endpoint, too few to slow down a service by exporting them.
SAMPLE_EVERY_NS: Final = 100_000_000


Sampling = Literal["none", "samples", "spans"]
"""Of single requests: none, some, or some with the sampled flag, which the service may trace."""


class TraceIds:
    """The trace ids of one process's requests.

    Each is a random prefix and a number, which takes a tenth of the time of a random id; the ids of
    the sampled requests are odd.

    Args:
        prefix: The first half of all ids; by default a random one.

    Attributes:
        prefix: The first half of all ids, in hexadecimal.
        span_id: The id of the span of each request; it only needs to be unique within a trace.
        number: Number of the last request.
    """

    __slots__ = ("_head", "_tail", "number", "prefix", "span_id")

    def __init__(self, prefix: str | None = None) -> None:
        self.prefix = prefix or new_prefix()
        self.span_id = (secrets.randbits(63) + 1).to_bytes(8).hex()
        self.number = 0
        self._tail = f"-{self.span_id}-00".encode()
        self._head = b""
        self._begin_block()

    def _begin_block(self) -> None:
        self._head = b"\r\ntraceparent: 00-%b%013x" % (self.prefix.encode(), self.number // _BLOCK)

    def begin_shard(self, index: int) -> None:
        """Begin the ids of one of the processes that share a prefix."""
        self.number = index << _SHARD_SHIFT
        self._begin_block()

    def next_header(self) -> bytes:
        """Return the header line of the next request, which begins with CRLF."""
        number = self.number = (self.number | 1) + 1
        low = number % _BLOCK
        if not low:
            self._begin_block()
        return b"".join((self._head, _LOW[low], self._tail))

    def id_of(self, number: int) -> str:
        """Return the trace id of a request."""
        return trace_id(self.prefix, number)


class SampledTraceIds(TraceIds):
    """The same, with the sampled flag on one request in a time.

    Args:
        every_ns: The shortest time between two sampled requests; 0 to sample all.
        prefix: See `TraceIds`.
        is_flagged: Whether the header says so; else the sampled requests are known here only.
    """

    __slots__ = ("_due_ns", "_every_ns", "_sampled_tail")

    def __init__(
        self, every_ns: int = SAMPLE_EVERY_NS, prefix: str | None = None, *, is_flagged: bool = True
    ) -> None:
        super().__init__(prefix)
        self._every_ns = every_ns
        self._due_ns = 0
        self._sampled_tail = self._tail[:-1] + (b"1" if is_flagged else b"0")

    def next_header(self) -> bytes:
        """Return the header line of the next request, which begins with CRLF."""
        header = super().next_header()
        now_ns = monotonic_ns()
        if now_ns < self._due_ns:
            return header
        self._due_ns = now_ns + self._every_ns
        self.number += 1
        return self._head + _LOW[self.number % _BLOCK] + self._sampled_tail


def new_prefix() -> str:
    """Return a random first half of trace ids, in hexadecimal."""
    return secrets.token_hex(PREFIX_CHARS // 2)


def is_sampled(number: int) -> bool:
    """Return true if a request has the sampled flag."""
    return bool(number & 1)


def trace_id(prefix: str, number: int) -> str:
    """Return a trace id, in hexadecimal."""
    return f"{prefix}{number:016x}"
