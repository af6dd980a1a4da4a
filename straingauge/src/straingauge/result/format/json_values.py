"""Values of any type as JSON."""

import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date
from enum import Enum
from typing import Any


def as_json(value: Any) -> Any:  # noqa: ANN401  any value, and JSON back
    """Return a value as JSON has it, so that no result is lost over a value that JSON lacks.

    Dates become ISO 8601, sets sorted lists, numbers and arrays of numpy plain ones; infinity, NaN
    and everything else become text.
    """
    match value:
        case Enum():
            plain = as_json(value.value)
        case None | bool() | str() | int():
            plain = value
        case float():
            plain = value if math.isfinite(value) else str(value)
        case Mapping():
            plain = {str(key): as_json(item) for key, item in value.items()}
        case list() | tuple():
            plain = [as_json(item) for item in value]
        case AbstractSet():
            plain = sorted((as_json(item) for item in value), key=str)
        case date():
            plain = value.isoformat()
        case _:
            of_numpy = getattr(value, "tolist", None)
            plain = as_json(of_numpy()) if callable(of_numpy) else str(value)
    return plain
