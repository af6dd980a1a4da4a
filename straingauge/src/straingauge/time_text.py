"""Times as text, such as 30s, 5m, 1h30m and 250ms."""

import math
import re
from argparse import ArgumentTypeError
from typing import Final

UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
NUMBER: Final = r"\d+(?:\.\d*)?|\.\d+"
_PART: Final = re.compile(rf"({NUMBER})\s*(ms|s|m|h|d)\s*")
_TIME: Final = re.compile(rf"(?:{_PART.pattern})+|{NUMBER}")
PATTERN: Final = rf"^\s*(?:{_TIME.pattern})\s*$"
"""Pattern of a time in a JSON Schema."""
NOT_ZERO: Final = r"^(?=.*[1-9])"
"""Pattern of a text with a digit other than 0."""


def parse_time(text: str) -> float | None:
    """Return the seconds of a time such as 30s, 5m, 1h30m or 250ms; None if it is no time.

    A number without a unit is in seconds.
    """
    text = text.strip()
    if not _TIME.fullmatch(text):
        return None
    parts = [(found[1], found[2]) for found in _PART.finditer(text)] or [(text, "")]
    seconds = sum(float(number) * UNITS_S[unit] for number, unit in parts)
    return seconds if math.isfinite(seconds) else None


def time_argument(text: str) -> float:
    """Return the seconds of a time that is more than 0, as the type of an argparse option.

    Raises:
        ArgumentTypeError: It is no such time.
    """
    seconds = parse_time(text)
    if not seconds:
        raise ArgumentTypeError(f"{text!r} is not a time: write it like 30s or 5m, more than 0")
    return seconds
