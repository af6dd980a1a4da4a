"""Requests for each operation of an OpenAPI document, with identifiers in all places."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Document = Mapping[str, Any]
Ids = Mapping[str, str]

UNKNOWN: Final = "00000000-0000-4000-8000-000000000000"
_EXAMPLES: Final = {
    "uuid": UNKNOWN,
    "email": "fuzz@example.com",
    "date": "2000-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "password": "TestPass123!",
    "binary": b"RIFF",
}


class UnknownIdentifier(Exception):
    """An operation has an identifier of which no tenant has a record."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        method: In upper case.
        path: As the document has it, such as "/api/patients/{patient_id}".
        place: The identifier and where it is: "path patient_id", "query patient_id (undeclared)".
        url: The path with its identifiers.
        params: The query.
        body: Fields of the JSON object or form; None without a body.
        is_form: The body is a multipart form.
        is_declared: The document has the identifier in this place.
    """

    method: str
    path: str
    place: str
    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    is_form: bool = False
    is_declared: bool = True

    @property
    def name(self) -> str:
        """Method, path and place, for the report."""
        return f"{self.method} {self.path}, {self.place}"


def resolved(part: Any, document: Document) -> Any:  # noqa: ANN401  a part of a JSON document
    """Follow the references of a part of the document."""
    while isinstance(part, Mapping) and "$ref" in part:
        target: Any = document
        for name in str(part["$ref"]).removeprefix("#/").split("/"):
            target = target[name]
        part = target
    return part


def example_of(schema: Any, document: Document) -> Any:  # noqa: ANN401  any JSON
    """Return a value that a schema allows, as far as its examples, formats and types say."""
    schema = resolved(schema, document)
    for key in ("examples", "enum", "anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return example_of(schema[key][0], document) if "Of" in key else schema[key][0]
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        return {
            name: example_of(part, document)
            for name, part in schema.get("properties", {}).items()
            if not resolved(part, document).get("readOnly")
        }
    if kind in {"integer", "number"}:
        return schema.get("minimum", 1)
    if kind == "string":
        text = _EXAMPLES.get(schema.get("format", ""))
        return text if text is not None else "Text".ljust(schema.get("minLength", 0), "x")
    return {"array": [], "boolean": True}.get(str(kind))


def calls(document: Document, ids: Ids) -> Iterator[Call]:
    """Yield requests for each operation: without an identifier, and with each one in each place.

    An identifier that an operation does not declare is sent as well, in the query and in the body:
    a service may read more than its document says.

    Raises:
        UnknownIdentifier: An operation has an identifier that is not in `ids`.
    """
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in {"get", "head", "post", "put", "patch", "delete"}:
                shared = operations.get("parameters", [])
                parameters = [
                    resolved(each, document) for each in (*shared, *operation.get("parameters", ()))
                ]
                yield from _calls_of(method.upper(), path, operation, parameters, document, ids)


def _calls_of(  # noqa: PLR0917  an operation and its document
    method: str,
    path: str,
    operation: Mapping[str, Any],
    parameters: list[Any],
    document: Document,
    ids: Ids,
) -> Iterator[Call]:
    in_path = [each["name"] for each in parameters if each["in"] == "path"]
    in_query = [each["name"] for each in parameters if each["in"] == "query" and _is_id(each)]
    media = operation.get("requestBody", {}).get("content", {})
    kind = next(iter(media), None)
    body = None if kind is None else example_of(media[kind]["schema"], document)
    in_body = [name for name in body or () if name in ids or name.endswith("_id")]
    for name in (*in_path, *in_query, *in_body):
        if name not in ids:
            raise UnknownIdentifier(
                f"{method} {path} has the identifier {name!r}: make a record with it in"
                " campaigns/tenants/records.py"
            )
    whole = {**body, **{name: ids[name] for name in in_body}} if isinstance(body, dict) else body
    call = Call(
        method,
        path,
        "body " + ", ".join(in_body) if in_body else "path " + ", ".join(in_path),
        path.format_map(ids),
        body=whole,
        is_form=kind == "multipart/form-data",
    )
    if in_path or in_body:
        yield call
    else:
        yield Call(method, path, "no identifier", call.url, body=whole, is_form=call.is_form)
    for name in ids:
        is_declared = name in in_query
        if name not in (*in_path, *in_body):
            where = f"query {name}" + ("" if is_declared else " (undeclared)")
            yield Call(
                *(method, path, where, call.url, {name: ids[name]}, whole, call.is_form),
                is_declared=is_declared,
            )
        if isinstance(whole, dict) and name not in in_body:
            more = {**whole, name: ids[name]}
            where = f"body {name} (undeclared)"
            yield Call(*(method, path, where, call.url, {}, more, call.is_form), is_declared=False)


def _is_id(parameter: Mapping[str, Any]) -> bool:
    schema = parameter.get("schema", {})
    formats = [each.get("format") for each in (schema, *schema.get("anyOf", ()))]
    return "uuid" in formats or str(parameter["name"]).endswith("_id")
