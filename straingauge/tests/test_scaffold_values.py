"""Values that are made up for the schemas of a document."""

import json
from typing import Any

import fastjsonschema
import pytest
from straingauge.scaffold import Document
from straingauge.scaffold.values import blanks, fitting


def schemas(**known: object) -> Document:
    """Return a document with these schemas."""
    content = {"openapi": "3.0.3", "paths": {"/": {}}, "components": {"schemas": known}}
    return Document.parse(json.dumps(content), "here")


def ref(name: str) -> dict[str, str]:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "minimum": 7, "maximum": 9},
        {"type": "integer", "exclusiveMinimum": 7, "multipleOf": 5},
        {"type": "number", "maximum": -1},
        {"type": "string", "minLength": 9, "maxLength": 10},
        {"type": "string", "maxLength": 2},
        {"type": "string", "format": "uuid"},
        {"type": ["null", "boolean"]},
        {"enum": ["a", "b"]},
        {"const": 4},
        {"type": "array", "minItems": 2, "items": {"type": "string"}},
        {"anyOf": [{"type": "null"}, {"type": "integer"}]},
        {
            "allOf": [
                {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
                {"required": ["b"], "properties": {"b": {"enum": [False]}}},
            ]
        },
    ],
)
def test_values_conform_to_their_schemas(schema: dict[str, Any]):
    """Made-up values conform to the schema, checked with fastjsonschema."""
    value = fitting(schema, schemas(), "it")
    assert not blanks(value)
    fastjsonschema.validate(schema, value)


@pytest.mark.parametrize("schema", [{}, {"type": "string", "pattern": "^[a-f]{3}$"}, True])
def test_unknown_values_are_placeholders(schema: object):
    """A schema that allows anything, or has a pattern, gets no made-up value."""
    assert [blank.what for blank in blanks(fitting(schema, schemas(), "it"))] == ["it"]


def test_a_recursive_schema_ends():
    """A schema that contains itself gets a placeholder."""
    tree = {"type": "object", "required": ["of"], "properties": {"of": ref("tree")}}
    assert len(blanks(fitting(tree, schemas(tree=tree), "it"))) == 1


def test_a_discriminator_names_the_chosen_type():
    """The discriminator's property has the key of its mapping, also where subtypes extend it."""
    document = schemas(
        Pet={
            "type": "object",
            "required": ["kind"],
            "properties": {"kind": {"type": "string"}},
            "oneOf": [ref("Cat")],
            "discriminator": {"propertyName": "kind", "mapping": {"cat": ref("Cat")["$ref"]}},
        },
        Cat={"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}},
    )
    assert fitting(ref("Pet"), document, "it") == {"kind": "cat"}


PET = {
    "type": "object",
    "required": ["kind", "name"],
    "properties": {"kind": {"type": "string"}, "name": {"type": "string"}},
}
CAT = {
    "allOf": [
        ref("Pet"),
        {"type": "object", "required": ["lives"], "properties": {"lives": {"type": "integer"}}},
    ]
}


@pytest.mark.parametrize(
    ("mapping", "kind"), [({}, "Cat"), ({"mapping": {"cat": "#/components/schemas/Cat"}}, "cat")]
)
@pytest.mark.parametrize("name", ["Pet", "Cat"])
def test_a_type_that_extends_another_names_itself(mapping: dict[str, object], kind: str, name: str):
    """Of a type with a discriminator, one that extends it is made, and named by the mapping."""
    discriminator = {"propertyName": "kind", **mapping}
    document = schemas(Pet={**PET, "discriminator": discriminator}, Cat=CAT)
    made = fitting(ref(name), document, "it")
    assert made == {"kind": kind, "name": "text", "lives": 1}


def test_a_discriminator_that_nothing_extends():
    """A type that nothing extends has its own name; a value that the schema names stays."""
    pet = {**PET, "discriminator": {"propertyName": "kind"}}
    assert fitting(ref("Pet"), schemas(Pet=pet), "it") == {"kind": "Pet", "name": "text"}
    pet["properties"] = {**PET["properties"], "kind": {"enum": ["dog", "cat"]}}
    assert fitting(ref("Pet"), schemas(Pet=pet), "it") == {"kind": "dog", "name": "text"}


def test_huge_and_endless_schemas_are_blank():
    """Drafts are bounded: by parts, by characters, and by schemas that multiply or loop."""
    many = {f"A{n}": {"allOf": [ref(f"A{n + 1}")] * 2} for n in range(60)}
    wide = {"type": "array", "minItems": 900, "items": {"type": "array", "minItems": 900}}
    document = schemas(**many, A60={}, Loop={"allOf": [ref("Loop")]})
    for schema in (
        ref("A0"),
        ref("Loop"),
        {"type": "array", "minItems": 10**12, "items": {"type": "integer"}},
        {**wide, "items": wide},
        {"type": "string", "minLength": 10**12},
        {"type": "string", "example": "x" * 10**6},
    ):
        assert len(blanks(fitting(schema, document, "it"))) == 1


def test_an_example_that_is_no_longer_valid_is_not_sent():
    """An example that its own schema refuses is replaced by a value that fits."""
    schema = {"type": "integer", "minimum": 3, "example": "old"}
    assert fitting(schema, schemas(), "it") == 3
