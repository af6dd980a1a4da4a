"""Outcomes as integers: the status, and the number of the error kind above it."""

from typing import Final

import numpy as np

from straingauge.http import ErrorKind
from straingauge.http.models import TIMEOUTS

KIND_SHIFT: Final = 10  # a status has fewer than 10 bits
STATUS: Final = (1 << KIND_SHIFT) - 1
# A success or a failure without a response time, from a client that does not report one.
UNTIMED: Final = 1 << 30
# Own steps have an error kind for each type of exception; further ones share a kind.
MAX_KINDS: Final = 256
OTHER_KIND: Final = "other_exception"

# Failures whose times describe the service, see `Series`.
_HAVE_TIMES: Final = frozenset({ErrorKind.BAD_STATUS, ErrorKind.FAILED_CHECK}) | TIMEOUTS
_kinds: list[str] = [*ErrorKind, OTHER_KIND]
_codes: dict[str, int] = {kind: number << KIND_SHIFT for number, kind in enumerate(_kinds, 1)}

SERVED: Final = np.zeros(MAX_KINDS + 1, dtype=np.bool_)
SERVED[0] = True
LIMITED: Final = np.zeros(MAX_KINDS + 1, dtype=np.bool_)
for _number, _kind in enumerate(ErrorKind, 1):
    SERVED[_number] = _kind in _HAVE_TIMES
    LIMITED[_number] = _kind is ErrorKind.RATE_LIMITED


def code_of(kind: str) -> int:
    """Return the code of an error kind, to which a status may be added."""
    code = _codes.get(kind)
    if code is None:
        if len(_kinds) >= MAX_KINDS:
            return _codes[OTHER_KIND]
        _kinds.append(kind)
        code = _codes[kind] = len(_kinds) << KIND_SHIFT
    return code


def kind_of(number: int) -> str:
    """Return the error kind of a number, which is a code without its status."""
    return _kinds[number - 1]
