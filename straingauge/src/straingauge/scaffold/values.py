"""Values that fit a schema: its own example, else the simplest value, else a blank."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from straingauge.scaffold.document import Document, Part

_DEEPEST: Final = 8  # schemas may contain themselves
_BY_FORMAT: Final[Mapping[str, str]] = {
    "date": "2026-01-02",
    "date-time": "2026-01-02T03:04:05Z",
    "time": "03:04:05Z",
    "duration": "PT1M",
    "email": "somebody@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


@dataclass(frozen=True, slots=True)
class Blank:
    """A value that only the owner of the suite knows; in the source, a call that raises.

    Attributes:
        what: A description of the value.
    """

    what: str

    def __repr__(self) -> str:
        return f"fill_in({json.dumps(self.what)})"


def blanks(value: object) -> list[Blank]:
    """All blanks in a value."""
    if isinstance(value, Blank):
        return [value]
    inside: Any = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return []
    return [blank for item in inside for blank in blanks(item)]


def example(holder: Part, document: Document) -> Any:  # noqa: ANN401  any JSON
    """The example of a parameter, a media type or a schema; None if there is none."""
    if holder.get("example") is not None:
        return holder["example"]
    examples = holder.get("examples")
    if isinstance(examples, list) and examples:  # of a schema
        return examples[0]
    if isinstance(examples, dict) and examples:  # of a parameter or media type
        return document.resolved(next(iter(examples.values()))).get("value")
    return None


def named_value(schema: Part, document: Document) -> Any:  # noqa: ANN401  any JSON
    """A value that the schema names: example, const, default or enum; None if there is none."""
    given = example(schema, document)
    named = (given, schema.get("const"), schema.get("default"), *schema.get("enum", ()))
    return next((value for value in named if value is not None), None)


def fitting(schema: Any, document: Document, where: str, depth: int = 0) -> Any:  # noqa: ANN401
    """Create a value that fits a schema.

    Args:
        schema: As in the document.
        document: The document, for references.
        where: Description of the value, for blanks.
        depth: Depth of the schema in others.
    """
    schema = document.resolved(schema)
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return Blank(where)
    given = named_value(schema, document)
    if given is not None:
        return given
    if "allOf" in schema:
        return fitting(_merged(schema, document), document, where, depth + 1)
    for keyword in ("oneOf", "anyOf"):
        if schema.get(keyword):
            options = [document.resolved(option) for option in schema[keyword]]
            real = [option for option in options if option.get("type") != "null"]
            return fitting((real or options)[0], document, where, depth + 1)
    return _by_type(schema, document, where, depth)


def _by_type(schema: Part, document: Document, where: str, depth: int) -> Any:  # noqa: ANN401
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), None)
    if kind is None:
        kind = "object" if "properties" in schema else None
    make = _MAKERS.get(str(kind))
    return make(schema, document, where, depth) if make else Blank(where)


def _object(schema: Part, document: Document, where: str, depth: int) -> Any:  # noqa: ANN401
    known, required = schema.get("properties", {}), schema.get("required", [])
    return {
        name: fitting(known.get(name, {}), document, f"{where}: {name}", depth + 1)
        for name in required
    }


def _array(schema: Part, document: Document, where: str, depth: int) -> Any:  # noqa: ANN401
    count = schema.get("minItems", 0)
    return [fitting(schema.get("items", {}), document, where, depth + 1) for _ in range(count)]


def _string(schema: Part, _: Document, where: str, __: int) -> str | Blank:
    known = _BY_FORMAT.get(schema.get("format", ""))
    if known is not None:
        return known
    if schema.get("pattern") or schema.get("format") == "binary":
        return Blank(where)
    text = "text" * (1 + int(schema.get("minLength", 0)) // 4)
    return text[: schema.get("maxLength")]


def _number(schema: Part, _: Document, __: str, ___: int) -> Any:  # noqa: ANN401  int or float
    step = schema.get("multipleOf", 1)
    least = schema.get("minimum")
    # OpenAPI 3.0 has a flag here, 3.1 a number.
    above = schema.get("exclusiveMinimum")
    if above is True and least is not None:
        least += step
    elif above is not None and not isinstance(above, bool):
        least = above + step
    most = schema.get("maximum")
    value = step if least is None else max(step, -(-least // step) * step)
    return value if most is None or value <= most else most


def _boolean(*_: object) -> bool:
    return False


def flattened(schema: Any, document: Document) -> Part:  # noqa: ANN401  any JSON
    """A schema with the parts of its `allOf` merged; empty if it is not an object."""
    found = document.resolved(schema)
    if not isinstance(found, dict):
        return {}
    return _merged(found, document) if "allOf" in found else found


def _merged(schema: Part, document: Document) -> Part:
    """The parts of `allOf` and the keys next to it, as one schema."""
    merged: dict[str, Any] = {"properties": {}, "required": []}
    beside = {key: value for key, value in schema.items() if key != "allOf"}
    for each in (*schema["allOf"], beside):
        part = flattened(each, document)
        properties = {**merged["properties"], **part.get("properties", {})}
        required = [*merged["required"], *part.get("required", [])]
        merged = {**merged, **part, "properties": properties, "required": required}
    return merged if merged["properties"] else {k: v for k, v in merged.items() if v}


_MAKERS: Final[Mapping[str, Callable[[Part, Document, str, int], Any]]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": _boolean,
}
