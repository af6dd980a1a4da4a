"""The types of `straingauge.result.format` describe the same files as the JSON Schemas."""

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import pytest
from straingauge.result.format.result import Result, Session
from straingauge.result.format.schema import Schema, schema

PLAIN = {str: "string", float: "number", int: "integer", bool: "boolean", NoneType: "null"}


def differences(type_: Any, part: Schema, named: Schema, path: str) -> Iterator[str]:  # noqa: ANN401
    """Yield each place where a type and a part of a schema disagree."""
    part = resolved(part, named)
    if get_origin(type_) is NotRequired:
        (type_,) = get_args(type_)
    options = get_args(type_) if get_origin(type_) in (Union, UnionType) else (type_,)
    expected = sorted(kind for each in options for kind in kinds(each))
    if expected != sorted(kinds_of_schema(part)):
        yield f"{path}: {expected} in the types, {sorted(kinds_of_schema(part))} in the schema"
        return
    for option in options:
        if is_typeddict(option):
            yield from differences_of_fields(option, part, named, path)
        elif get_origin(option) is list:
            yield from differences(get_args(option)[0], part["items"], named, f"{path}[]")
        elif get_origin(option) is dict and get_args(option)[1] is not Any:
            other = part["additionalProperties"]
            yield from differences(get_args(option)[1], other, named, f"{path}.*")
        elif (
            get_origin(option) is Literal
            and "enum" in part
            and set(part["enum"]) - {None} != set(get_args(option))
        ):
            yield f"{path}: the enumerations differ"


def differences_of_fields(type_: Any, part: Schema, named: Schema, path: str) -> Iterator[str]:  # noqa: ANN401
    """Yield the same for the fields of an object."""
    hints = get_type_hints(type_, include_extras=True)
    properties: Mapping[str, Schema] = part["properties"]
    if hints.keys() != properties.keys():
        yield f"{path}: only one of both has {sorted(hints.keys() ^ properties.keys())}"
    if missing := type_.__required_keys__ - set(part.get("required", ())):
        yield f"{path}: {sorted(missing)} is optional in the schema"
    for name in hints.keys() & properties.keys():
        yield from differences(hints[name], properties[name], named, f"{path}.{name}")


def resolved(part: Schema, named: Schema) -> Schema:
    """A part of a schema with its reference followed."""
    if "allOf" in part:
        part = part["allOf"][0]
    found: Schema = named[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
    return found


def kinds(type_: Any) -> list[str]:  # noqa: ANN401
    """The JSON types of one member of a union."""
    if get_origin(type_) is Literal:
        return sorted({PLAIN[type(value)] for value in get_args(type_)})
    if get_origin(type_) is list:
        return ["array"]
    return [PLAIN[type_]] if type_ in PLAIN else ["object"]


def kinds_of_schema(part: Schema) -> list[str]:
    """The JSON types that a schema allows."""
    values = part.get("enum", [part["const"]] if "const" in part else None)
    if values is not None:
        return sorted({PLAIN[type(value)] for value in values})
    found = part["type"]
    return [found] if isinstance(found, str) else list(found)


@pytest.mark.parametrize(("type_", "name"), [(Result, "result-1"), (Session, "session-1")])
def test_types_and_schemas_agree(type_: Any, name: str):  # noqa: ANN401
    """Each field has the same name, type and optionality in the types and in the schema."""
    found = schema(name)
    assert list(differences(type_, found, found.get("definitions", {}), "it")) == []
