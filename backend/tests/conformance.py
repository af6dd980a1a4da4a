"""Check of responses against the OpenAPI document."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx2
import jsonschema_rs
from app.main import create_app
from app.settings import load_settings

Document = dict[str, Any]


@cache
def document() -> Document:
    """Return the document, which no setting changes."""
    url = "postgresql://postgres@127.0.0.1:9/nowhere"  # never connected to
    return create_app(load_settings(database_url=url, secret_key="x" * 32)).openapi()


def resolve(part: Any) -> Any:  # noqa: ANN401 -- a part of a JSON document
    """Follow the references of a part of the document."""
    while "$ref" in part:
        target: Any = document()
        for name in part["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        part = target
    return part


@cache
def _validator(schema: str) -> jsonschema_rs.Validator:
    components = {"components": document()["components"]}
    return jsonschema_rs.validator_for(components | json.loads(schema), validate_formats=True)


def validate(value: object, schema: dict[str, Any]) -> None:
    """Validate a value against a schema of the document.

    Raises:
        jsonschema_rs.ValidationError: The value is not as the schema says.
    """
    _validator(json.dumps(schema)).validate(value)


def parse(body: bytes) -> Any:  # noqa: ANN401 -- any JSON value
    """Parse the JSON of a response.

    Raises:
        ValueError: It is not JSON.
    """
    return json.loads(body)


@cache
def operation(method: str, path: str) -> dict[str, Any] | None:
    """Return the operation of a request; None if the document has none."""
    paths: dict[str, dict[str, Any]] = document()["paths"]
    for template in sorted(paths, key=lambda each: each.count("{")):
        if re.fullmatch(re.sub(r"\{\w+\}", "[0-9a-fA-F-]{32,36}", template), path):
            return paths[template].get(method.lower())
    return None


async def check(response: httpx2.Response) -> None:
    """Check a response, as an event hook of httpx; see `check_reply`."""
    request = response.request
    await response.aread()
    path, body = request.url.path, response.content
    check_reply(request.method, path, response.status_code, response.headers, body)


def check_reply(
    method: str, path: str, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    """Check status, media type, headers and body of a response, if its operation is documented.

    Raises:
        AssertionError: The document does not declare it.
        ValueError: A header or the body is not as declared.
    """
    documented = operation(method, path)
    if documented is None:
        return
    title = f"{method} {path} {status}"
    declared = documented["responses"].get(str(status))
    assert declared is not None, f"{title} is not in the document"
    declared = resolve(declared)
    for name, header in declared.get("headers", {}).items():
        _check_header(title, name, headers.get(name.lower()), resolve(header))
    if method == "HEAD" or not body:
        return
    media_type = headers["content-type"].partition(";")[0]
    content = {name.partition(";")[0]: each for name, each in declared["content"].items()}
    assert media_type in content, f"{title}: {media_type} is not in the document"
    if media_type == "application/json":
        validate(parse(body), content[media_type]["schema"])


def _check_header(title: str, name: str, value: str | None, header: dict[str, Any]) -> None:
    if value is None:
        assert not header["required"], f"{title} lacks the header {name}"
        return
    is_number = header["schema"].get("type") == "integer"
    validate(int(value) if is_number else value, header["schema"])
