"""Memory that requests leave behind; `schemas/result-1.schema.json` describes each field."""

from typing import TypedDict


class GrowingLine(TypedDict):
    """A line of code, or a call of a library in it, whose memory grew with the requests."""

    file: str
    line: int
    bytes_per_request: float
    grown_bytes: int


class MemoryGrowth(TypedDict):
    """Memory that grew in a second instance of the service, and what could not be measured."""

    requests: int
    lines: list[GrowingLine]
    notes: list[str]
