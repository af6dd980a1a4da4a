"""Paths, queries and forms as they are sent, the same in both clients."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote, quote_plus

Pairs: TypeAlias = Mapping[str, Any] | Iterable[tuple[str, Any]]
"""Values by name, or pairs of them; a list of values repeats its name."""

# What may stand in a request target as it is (RFC 3986, sections 3.3 and 3.4), "%" included: a
# path that is already percent-encoded is left alone.
_SAFE: Final = "/?:@!$&'()*+,;=-._~%"
_LEGAL: Final = re.compile(r"[A-Za-z0-9/?:@!$&'()*+,;=\-._~%]*")
_LISTS: Final = (list, tuple, set, frozenset)


def expand(given: Pairs) -> list[tuple[str, str | bytes]]:
    """Return a pair for each value, as text.

    As in `requests`, None is skipped, a list repeats its name, and anything else is sent as `str`
    writes it: True is sent as "True".

    Raises:
        ValueError: a value is a mapping, for which no encoding is agreed on.
    """
    pairs: list[tuple[str, str | bytes]] = []
    for name, value in given.items() if isinstance(given, Mapping) else given:
        for each in value if isinstance(value, _LISTS) else (value,):
            if isinstance(each, (*_LISTS, Mapping)):
                raise ValueError(  # noqa: TRY004  the error of all that cannot be sent
                    f"{name!r} has a nested value ({each!r}): write each part under its own name,"
                    f" such as {f'{name}[key]'!r}"
                )
            if each is not None:
                pairs.append((str(name), each if isinstance(each, bytes) else str(each)))
    return pairs


def encode_path(path: str) -> str:
    """Percent-encode what a request target must not have, once."""
    return path if _LEGAL.fullmatch(path) else quote(path, safe=_SAFE)


def encode_query(given: Pairs | str | bytes) -> str:
    """Encode a query or a form; text is already encoded.

    Raises:
        ValueError: see `expand`.
    """
    if isinstance(given, str | bytes):
        return given if isinstance(given, str) else given.decode()
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in expand(given))
