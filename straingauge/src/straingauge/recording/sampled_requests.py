"""Requests whose traces were sampled, to be matched with the spans of the service."""

from dataclasses import dataclass
from typing import Final

MAX_SAMPLED: Final = 200  # of each endpoint


@dataclass(frozen=True, slots=True, order=True)
class SampledRequest:
    """One request whose trace was sampled.

    Attributes:
        trace_id: Id of its trace, in hexadecimal.
        span_id: Id of the span that sent it, which the service's first span has as its parent.
        sent_unix_ns: When it was sent, in nanoseconds of Unix time.
        response_ns: Done - intended.
        service_ns: Done - sent.
        status: Status of the response; 0 without one.
    """

    trace_id: str
    span_id: str
    sent_unix_ns: int
    response_ns: int
    service_ns: int
    status: int


def first_sampled(requests: list[SampledRequest]) -> list[SampledRequest]:
    """Return the first `MAX_SAMPLED` of these by their ids, independent of their order."""
    return sorted(requests)[:MAX_SAMPLED]
