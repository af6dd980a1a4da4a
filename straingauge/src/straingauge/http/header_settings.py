"""The setting ``headers``: headers of all requests, with values from the environment."""

import os
import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from straingauge.http.headers import require_sendable
from straingauge.redaction import hide

HeaderPairs: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values."""

_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")


def parse_headers(value: object) -> HeaderPairs:
    """Parse headers: a table of values by name, or texts like "X-Tenant: acme".

    ``${NAME}`` in a value is the value of that environment variable, which no result shows.

    Raises:
        TypeError: it is of neither form.
        ValueError: a header cannot be sent, or a variable is not set.
    """
    found: list[tuple[str, str]] = []
    for name, text in _pairs(value):
        header = name.strip(), _VARIABLE.sub(_variable, text.strip())
        require_sendable(*header)
        found.append(header)
    return tuple(found)


def _pairs(value: object) -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, text in value.items():
            if not isinstance(text, str):
                raise TypeError(f"{name} must be a string")
            yield str(name), text
        return
    if not isinstance(value, list | tuple):
        raise TypeError('must be a table, like { X-Tenant = "acme" }')
    for each in value:
        if not isinstance(each, str) or ":" not in each:
            raise ValueError(f"{each!r} is no header, like 'X-Tenant: acme'")
        name, _, text = each.partition(":")
        yield name, text


def _variable(found: re.Match[str]) -> str:
    value = os.environ.get(found[1], "")
    if not value:
        name = found[1] or "NAME"
        raise ValueError(f"the environment variable {name} is not set: export {name}=...")
    hide(value)
    return value
