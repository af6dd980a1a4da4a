"""The JSON Schemas of the files, and their validation.

The schemas are draft 7 and use only the keywords in `KEYWORDS`. A library would take 0.3 s for each
command that reads a file (docs/decisions/0007); the tests compare with one.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, Final

Schema = Mapping[str, Any]

ANNOTATIONS: Final = frozenset(("$schema", "$id", "title", "description", "definitions"))
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


@cache
def schema(name: str) -> Schema:
    """Return a schema of this package, such as "result-1" or "session-1"."""
    file = resources.files("straingauge.result.format") / "schemas" / f"{name}.schema.json"
    found: Schema = json.loads(file.read_text(encoding="utf-8"))
    return found


def violation(document: object, of: Schema) -> str | None:
    """Return the first violation with its path in the document; None if it is valid."""
    return next(_violations(document, of, of.get("definitions", {}), ""), None)


def _violations(value: object, of: Schema, named: Schema, path: str) -> Iterator[str]:
    if "$ref" in of:
        of = named[of["$ref"].rpartition("/")[2]]
    for keyword, expected in of.items():
        if keyword in _SIMPLE:
            wrong = _SIMPLE[keyword](value, expected)
            if wrong:
                yield f"{path or 'it'} {wrong}"
                return  # the content of a value with a wrong type is not checked
    for part in of.get("allOf", ()):
        yield from _violations(value, part, named, path)
    if isinstance(value, dict):
        yield from _in_object(value, of, named, path)
    elif isinstance(value, list) and "items" in of:
        for number, item in enumerate(value):
            yield from _violations(item, of["items"], named, f"{path}[{number}]")


def _in_object(value: Mapping[str, object], of: Schema, named: Schema, path: str) -> Iterator[str]:
    known: Mapping[str, Schema] = of.get("properties", {})
    for name in of.get("required", ()):
        if name not in value:
            yield f"{_joined(path, name)} is missing"
    other: Schema = of.get("additionalProperties", {})
    for name, item in value.items():
        part = known.get(name, other)
        if not _plain(item, part):
            yield from _violations(item, part, named, _joined(path, name))


def _plain(value: object, of: Schema) -> bool:
    """The value is a float and the schema allows any number.

    This fast path matters: the samples of an hour are hundreds of thousands of floats.
    """
    return len(of) == 1 and type(value) is float and of.get("type") == "number"


def _joined(path: str, name: str) -> str:
    plain = name.replace("_", "").isalnum()
    step = name if plain else f'["{name}"]'
    return f"{path}.{step}" if path and plain else path + step


def _type(value: object, types: str | Sequence[str]) -> str | None:
    wanted = [types] if isinstance(types, str) else types
    kinds = tuple(kind for name in wanted for kind in _TYPES[name])
    # In Python a bool is an int and 3.0 is not; in JSON Schema it is the other way round.
    if isinstance(value, bool):
        right = "boolean" in wanted
    elif isinstance(value, float) and value.is_integer():
        right = "number" in wanted or "integer" in wanted
    else:
        right = isinstance(value, kinds)
    return None if right else f"must be of type {' or '.join(wanted)}, not {_shown(value)}"


def _enum(value: object, allowed: Sequence[object]) -> str | None:
    return None if value in allowed else f"must be one of {', '.join(map(str, allowed))}"


def _const(value: object, wanted: object) -> str | None:
    # In Python True equals 1; in JSON it does not.
    same = value == wanted and isinstance(value, bool) == isinstance(wanted, bool)
    return None if same else f"must be {wanted}, not {_shown(value)}"


def _minimum(value: object, least: float) -> str | None:
    low = isinstance(value, int | float) and value < least
    return f"must be {least} or more, not {_shown(value)}" if low else None


def _maximum(value: object, most: float) -> str | None:
    high = isinstance(value, int | float) and value > most
    return f"must be {most} or less, not {_shown(value)}" if high else None


def _format(value: object, _: str) -> str | None:
    """Check a date-time, the only format in use."""
    try:
        offset = datetime.fromisoformat(str(value)).tzinfo
    except ValueError:
        offset = None
    return None if offset else f"must be an ISO 8601 time with an offset, not {_shown(value)}"


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


_SIMPLE: Final[Mapping[str, Callable[[Any, Any], str | None]]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "minimum": _minimum,
    "maximum": _maximum,
    "format": _format,
}
KEYWORDS: Final = ANNOTATIONS.union(
    _SIMPLE, ("$ref", "allOf", "properties", "required", "additionalProperties", "items")
)
