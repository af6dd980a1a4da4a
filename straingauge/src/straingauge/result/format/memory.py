"""Memory and threads that requests leave; `schemas/result-1.schema.json` describes each field."""

from typing import NotRequired, TypedDict


class GrowingLine(TypedDict):
    """A line of code, or a call of a library in it, whose memory grew with the requests."""

    file: str
    line: int
    bytes_per_request: float
    grown_bytes: int


class GrowingThreads(TypedDict):
    """A line of code that creates threads which do not end, and the function that they run."""

    file: str
    line: int
    target: str
    threads_per_request: float
    grown_threads: int


class MemoryGrowth(TypedDict):
    """Memory and threads that grew in a second instance of the service, and what was not measured.

    `threads` is missing in results of older versions.
    """

    requests: int
    lines: list[GrowingLine]
    threads: NotRequired[list[GrowingThreads]]
    notes: list[str]
