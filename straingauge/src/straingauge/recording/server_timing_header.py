"""The Server-Timing header of a response (W3C Server Timing, section 3).

A value such as `pool;dur=0.12, db;dur=3.4;desc="2 statements", app;dur=5.1`.
"""

import re
from itertools import chain
from math import inf
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from straingauge.histogram import Ints
from straingauge.http import RawHeaders, values_of

Columns: TypeAlias = dict[str, tuple[Ints, NDArray[np.float64]]]
_LONGEST_NAME: Final = 64
_LONGEST_ID: Final = 200
_TOKEN: Final = re.compile(rb"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_PLAIN: Final = re.compile(rb"(?:(?:^|,)[ \t]*[\w!#$%&'*+.^`|~-]+;dur=[\d.]+)+", re.ASCII)
_NUMBER: Final = re.compile(rb"(?<=;dur=)[\d.]+")
# Commas and semicolons within quotes do not separate; an unclosed quote extends to the end.
_ENTRY: Final = re.compile(rb'(?:[^",]|"(?:[^"\\]|\\.)*"?)+', re.DOTALL)
_PARAMETER: Final = re.compile(rb'(?:[^";]|"(?:[^"\\]|\\.)*"?)+', re.DOTALL)


def server_timing(headers: RawHeaders) -> bytes | None:
    """Return the value of the header, repeated ones joined; None if there is none."""
    found = values_of(headers, b"server-timing")
    return b",".join(found) if found else None


def request_id(headers: RawHeaders) -> str:
    """Return the X-Request-ID, which identifies the request in the service's log, or ""."""
    found = values_of(headers, b"x-request-id")
    return found[0][:_LONGEST_ID].decode("latin-1") if found else ""


def durations_ms(value: bytes) -> dict[str, float]:
    """Parse the duration of each part in milliseconds, by its name in lower case.

    Parts without a valid duration are skipped, parts with the same name are added up. No input
    raises an error.
    """
    durations: dict[str, float] = {}
    for entry in _ENTRY.findall(value):
        name, *parameters = _PARAMETER.findall(entry) or [b""]
        token, duration = name.strip(), _duration_ms(parameters)
        if duration is not None and _TOKEN.fullmatch(token):
            part = token[:_LONGEST_NAME].decode("ascii").lower()
            durations[part] = durations.get(part, 0.0) + duration
    return durations


def columns_ms(values: list[bytes]) -> Columns:
    """Parse many values; return for each part the rows that have it, and their milliseconds."""
    return _uniform_columns_ms(values) or _any_columns_ms(values)


def _uniform_columns_ms(values: list[bytes]) -> Columns | None:
    """Parse values that differ in numbers only, ten times as fast; None for others."""
    names = list(durations_ms(values[0]))
    pieces = _NUMBER.split(values[0])
    if not _PLAIN.fullmatch(values[0]) or len(names) != len(pieces) - 1:
        return None
    pattern = rb"([\d.]+)".join(re.escape(piece) for piece in pieces)
    found = re.findall(rb"^%s$" % pattern, b"\n".join(values), re.MULTILINE)
    if len(found) != len(values):
        return None
    flat = found if len(names) == 1 else chain.from_iterable(found)
    try:
        table = np.fromiter(map(float, flat), np.float64).reshape(len(values), len(names))
    except ValueError:  # such as 1.2.3
        return None
    every = np.arange(len(values))
    return {name: (every, table[:, number]) for number, name in enumerate(names)}


def _any_columns_ms(values: list[bytes]) -> Columns:
    rows: dict[str, list[int]] = {}
    times: dict[str, list[float]] = {}
    for row, value in enumerate(values):
        for name, duration in durations_ms(value).items():
            rows.setdefault(name, []).append(row)
            times.setdefault(name, []).append(duration)
    return {name: (np.array(rows[name]), np.array(times[name])) for name in rows}


def _duration_ms(parameters: list[bytes]) -> float | None:
    for parameter in parameters:
        name, _, text = parameter.partition(b"=")
        if name.strip().lower() == b"dur":  # the first of several counts
            try:
                duration = float(text.strip().strip(b'"'))
            except ValueError:
                return None
            return duration if 0 <= duration < inf else None
    return None
