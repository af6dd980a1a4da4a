"""Responses that mean success."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from straingauge.scaffold.document import Document, Part, as_dict, as_list
from straingauge.scaffold.media import is_endless, is_json, json_schema
from straingauge.scaffold.schema import flattened, object_type

ANY_SUCCESS: Final = range(200, 300)
_MOST_FIELDS: Final = 5  # enough to notice a wrong response
_ROWS: Final = ("items", "results", "data", "rows")


@dataclass(frozen=True, slots=True)
class SuccessResponse:
    """Responses that mean success.

    Attributes:
        expect: Their statuses.
        fields: Required fields of their JSON, or of each of its rows.
        schema: Schema of the first JSON among them; empty if there is none.
        endless: Whether one is a stream of events.
        accept: Media type to ask for, where a response may be JSON or something else; else empty.
    """

    expect: Sequence[int] = ANY_SUCCESS
    fields: Sequence[str] = ()
    schema: Part = field(default_factory=dict)
    endless: bool = False
    accept: str = ""


def success_response(document: Document, content: Part, method: str) -> SuccessResponse:
    """The responses of an operation that mean success.

    A range such as `2XX` stands for each of its statuses. Without a success, any status of success
    is expected: `default` alone describes every response.
    """
    responses = as_dict(content.get("responses"))
    good = sorted(status for status in responses if re.fullmatch(r"[23](\d\d|XX)", status.upper()))
    successes = [status for status in good if status.startswith("2")] or good
    if not successes:
        return SuccessResponse()
    found = [as_dict(document.resolved(responses[status])) for status in successes]
    contents = [as_dict(each.get("content")) for each in found]
    schemas = [flattened(json_schema(each), document) for each in contents if each]
    # An empty response, such as a 204, has no fields; the others must agree on theirs.
    fields = [_fields(document, schema) for schema in schemas]
    common = [name for name in fields[0] if all(name in each for each in fields)] if fields else []
    return SuccessResponse(
        _statuses(successes),
        () if method == "head" else common[:_MOST_FIELDS],
        next((schema for schema in schemas if schema), {}),
        any(map(is_endless, contents)),
        next(filter(None, map(_asked_for, contents)), ""),
    )


def _asked_for(content: Part) -> str:
    """The JSON type of a response that may have another type, too; else empty."""
    kinds = [kind for kind in content if is_json(kind)]
    return kinds[0] if kinds and len(kinds) < len(content) else ""


def _statuses(known: Sequence[str]) -> Sequence[int]:
    statuses: set[int] = set()
    for status in known:
        first = int(status[0]) * 100
        statuses |= {int(status)} if status.isdecimal() else {*range(first, first + 100)}
    if statuses == {*ANY_SUCCESS}:
        return ANY_SUCCESS
    return sorted(statuses)


def _fields(document: Document, schema: Part) -> Sequence[str]:
    """Required fields of a response, or of its rows, by its schema; not those only written."""
    if object_type(schema) == "array":
        schema = flattened(schema.get("items", {}), document)
    known = as_dict(schema.get("properties"))
    if not known or any(key in schema for key in ("oneOf", "anyOf")):
        return ()
    names = [name for name in as_list(schema.get("required")) if isinstance(name, str)]
    return [name for name in names if not _is_write_only(document, known.get(name))]


def _is_write_only(document: Document, schema: Any) -> bool:  # noqa: ANN401  any JSON
    return flattened(schema, document).get("writeOnly") is True


def rows_of(document: Document, success: SuccessResponse) -> tuple[str | None, Part] | None:
    """Name of the array in a response, and the schema of its rows; None if there is none."""
    schema, inside = success.schema, None
    if object_type(schema) != "array":
        known = as_dict(schema.get("properties"))
        arrays = [n for n in known if object_type(flattened(known[n], document)) == "array"]
        inside = next((n for n in arrays if n in _ROWS or len(arrays) == 1), None)
        if inside is None:
            return None
        schema = flattened(known[inside], document)
    return inside, flattened(schema.get("items", {}), document)
