"""JSON that others have written or sent, with one error for all that can be wrong with it."""

import json
from math import isfinite
from typing import Any, Final, NoReturn

_MAX_DIGITS: Final = 300  # a float has at most 308 before its point


def parse_json(text: str | bytes, *, finite: bool = False) -> Any:  # noqa: ANN401  any JSON
    """Parse JSON.

    Args:
        text: The JSON; bytes in UTF-8, UTF-16 or UTF-32.
        finite: Refuse numbers that no float can hold, such as 1e999, and NaN and Infinity, which
            are none in JSON (RFC 8259, section 6).

    Raises:
        ValueError: It is no JSON, nested too deeply, or has a number with too many digits; of the
            type `json.JSONDecodeError`, with the line, if the syntax is wrong.
    """
    try:
        if finite:
            return json.loads(
                text, parse_float=_finite, parse_int=_integer, parse_constant=_refuse_constant
            )
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _finite(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        raise ValueError(f"{digits[:40]} is too large for a number")
    return value


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits is too large for a number")
    return int(digits)


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number in JSON")
