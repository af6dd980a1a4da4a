"""Spans of OpenTelemetry, as far as the analysis needs them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

AttributeValue: TypeAlias = str | int | float | bool


class SpanKind(IntEnum):
    """The kinds of OpenTelemetry, with the numbers of OTLP."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


@dataclass(frozen=True, slots=True)
class SpanException:
    """An exception that left an operation, or was handled in it.

    Attributes:
        kind: Its class.
        stack: Its stack, as the service's language shows it; empty if unknown.
    """

    kind: str
    stack: str


@dataclass(frozen=True, slots=True)
class Span:
    """One operation of a service.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        parent_id: The same of its parent; empty without one.
        name: Its name.
        kind: Its kind.
        start_ns: Its start, in nanoseconds of Unix time by the clock of the service.
        end_ns: Its end.
        attributes: Those in `conventions.ATTRIBUTES`.
        is_error: Its status is an error.
        service: Name of the service.
        library: Name of the instrumentation library.
        exceptions: The last exceptions, in their order.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: SpanKind
    start_ns: int
    end_ns: int
    attributes: Mapping[str, AttributeValue]
    is_error: bool
    service: str
    library: str
    exceptions: tuple[SpanException, ...] = ()

    @property
    def duration_ns(self) -> int:
        """Its duration; never negative."""
        return max(self.end_ns - self.start_ns, 0)
