"""Schemas: composition resolved, and values checked against them."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from straingauge.scaffold.document import Document, Part, as_dict, as_list

_BASE: Final = "urn:openapi-document"
_NO_PROPERTIES: Final[Part] = {}


def flattened(schema: Any, document: Document) -> Part:  # noqa: ANN401  any JSON
    """A schema with the parts of its `allOf` merged; empty if it is not an object.

    A schema that contains itself in this way ends at its second occurrence.
    """
    found = document.resolved(schema)
    if not isinstance(found, dict):
        return {}
    known = document.merged.get(id(found))
    if known is not None:
        return known[1]
    if not as_list(found.get("allOf")):
        return found
    document.merged[id(found)] = (found, {})
    result = _merged(found, document)
    document.merged[id(found)] = (found, result)
    return result


def _merged(schema: Part, document: Document) -> Part:
    """The parts of `allOf` and the keys next to it, as one schema."""
    merged: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    required: dict[str, None] = {}
    beside = {key: value for key, value in schema.items() if key != "allOf"}
    for each in (*as_list(schema["allOf"]), beside):
        part = beside if each is beside else flattened(each, document)
        properties |= as_dict(part.get("properties"))
        required |= dict.fromkeys(map(str, as_list(part.get("required"))))
        merged |= part
    if properties:
        merged["properties"] = properties
    if required:
        merged["required"] = list(required)
    return merged


def object_type(schema: Part) -> str | None:
    """The type of a schema that is not null; None if it allows several or any."""
    kind = schema.get("type")
    if isinstance(kind, list):
        real = [each for each in kind if each != "null"]
        kind = real[0] if real else "null" if kind else None
    if kind is None and isinstance(schema.get("properties"), dict):
        kind = "object"
    return str(kind) if kind is not None else None


def fits(value: object, schema: Any, document: Document) -> bool | None:  # noqa: ANN401
    """Validate a value against a schema, with jsonschema.

    Returns:
        None if the schema cannot be evaluated, such as one that contains itself endlessly.
    """
    import jsonschema
    import referencing
    import referencing.exceptions

    try:
        errors = _validator(schema, document).iter_errors(value)
        return next(iter(errors), None) is None
    except (
        *(RecursionError, re.error, TypeError, ValueError, AttributeError, KeyError),
        *(referencing.exceptions.Unresolvable, jsonschema.exceptions.UnknownType),
    ):
        return None  # what the document has there is no schema


def _validator(schema: Any, document: Document) -> Any:  # noqa: ANN401  it has no types
    """A validator of a schema of the document."""
    top = as_dict(flattened(schema, document).get("properties")) or _NO_PROPERTIES
    if id(top) not in document.validators:  # a new class takes milliseconds
        document.validators[id(top)] = (top, _dialect(top, document))
    _, create = document.validators[id(top)]
    return create(schema)


def _dialect(top: Part, document: Document) -> Callable[[Any], Any]:
    """Validators of the document's dialect: OpenAPI 3.0 extends JSON Schema draft 4.

    Args:
        top: The properties of the schemas.
        document: The document that the schemas are in.
    """
    import jsonschema
    import referencing.jsonschema

    is_old = str(document.content["openapi"]).startswith("3.0")
    base = jsonschema.Draft4Validator if is_old else jsonschema.Draft202012Validator
    keywords: dict[str, Any] = {"required": partial(_required, document, top)}
    if is_old:
        keywords["type"] = partial(_nullable_type, base.VALIDATORS["type"])
    dialect = referencing.jsonschema.DRAFT4 if is_old else referencing.jsonschema.DRAFT202012
    registry: referencing.Registry[Any] = referencing.Registry()
    registry = registry.with_resource(_BASE, dialect.create_resource(document.content))
    validator = jsonschema.validators.extend(base, keywords)
    return partial(validator, registry=registry, _resolver=registry.resolver(_BASE))


def _nullable_type(
    original: Callable[..., Iterator[Any]],
    validator: Any,  # noqa: ANN401  it has no types
    kind: object,
    value: object,
    schema: Mapping[str, Any],
) -> Iterator[Any]:
    """`type` of OpenAPI 3.0, where `nullable` allows null."""
    if value is not None or not schema.get("nullable"):
        yield from original(validator, kind, value, schema)


def _required(
    document: Document,
    top: Part,
    _validator: object,
    names: object,
    value: object,
    schema: Mapping[str, Any],
) -> Iterator[Any]:
    """`required` of OpenAPI, which does not ask a request for properties that are read only."""
    import jsonschema

    if not isinstance(value, dict):
        return
    known = {**top, **as_dict(schema.get("properties"))}
    for name in as_list(names):
        read_only = flattened(known.get(name), document).get("readOnly") is True
        if name not in value and not read_only:
            yield jsonschema.ValidationError(f"{name!r} is required")
