"""The OpenAPI document agrees with the code and with the responses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import conformance
import httpx2
import jsonschema_rs
import pytest
import raised_errors
from app.errors import AppError, Conflict, NotFound
from app.main import create_app
from app.openapi.document import build
from app.settings import load_settings
from conformance import document, resolve
from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from service import PASSWORD
from starlette.routing import Route

OF_THE_DOCUMENT = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}
WITHOUT_TOKEN = {
    "/",
    "/live",
    "/ready",
    "/health",
    "/metrics",
    "/api/v1/auth/signup",
    "/api/v1/auth/login",
    "/api/v1/auth/refresh",
    "/api/v1/auth/logout",
}


@pytest.fixture
def application() -> FastAPI:
    """The application, which is not started."""
    url = "postgresql://postgres@127.0.0.1:9/nowhere"
    return create_app(load_settings(database_url=url, secret_key="x" * 32))


def _undeclared(application: FastAPI) -> dict[str, set[int]]:
    """Return the statuses that the code of an endpoint raises without declaring them."""
    paths = build(application)["paths"]
    undeclared = {}
    for route in application.routes:
        if isinstance(route, APIRoute):
            raised = {error.status_code for error in raised_errors.errors_of(route)}
            for method in route.methods or ():
                responses = paths[route.path_format][method.lower()]["responses"]
                if missing := raised - set(map(int, responses)):
                    undeclared[f"{method} {route.path_format}"] = missing
    return undeclared


def test_endpoints_declare_the_errors_they_raise(application: FastAPI):
    """Each endpoint declares the statuses of all errors that its code raises."""
    routes = [route for route in application.routes if isinstance(route, APIRoute)]
    assert len(routes) >= 18
    for route in routes:
        assert raised_errors.errors_of(route), f"no errors were found in {route.path}"
    assert _undeclared(application) == {}


def _check(name: str) -> None:
    if not name:
        raise _missing(name)


def _missing(name: str) -> AppError:
    return NotFound(f"{name} does not exist.")


async def _new_endpoint(_request: Request) -> None:
    try:
        _check("new")
    except NotFound:
        raise Conflict("It is missing.") from None


async def _newer_endpoint(_request: Request) -> None:
    _check("new")


def test_an_endpoint_with_undeclared_errors_is_found(
    application: FastAPI, monkeypatch: pytest.MonkeyPatch
):
    """An error that a new endpoint raises through its helpers must be declared."""
    monkeypatch.setattr(raised_errors, "APP", str(Path(__file__).parent))
    application.add_api_route("/new", _new_endpoint)
    application.add_api_route("/newer", _newer_endpoint)
    assert _undeclared(application) == {"GET /new": {409}, "GET /newer": {404}}


def test_every_route_is_in_the_document(application: FastAPI):
    """The document has the paths and methods that are served, and no others."""
    served = {
        (route.path_format, method)
        for route in application.routes
        if isinstance(route, Route) and route.path not in OF_THE_DOCUMENT
        for method in route.methods or ()
    }
    declared = {
        (path, method.upper()) for path, item in document()["paths"].items() for method in item
    }
    assert declared == served


def test_formats_that_are_not_sent_are_absent():
    """The document has the service's error format, not that of FastAPI."""
    text = json.dumps(document())
    assert "HTTPValidationError" not in text
    assert "ValidationErrorResponse" in text


def test_operations_declare_security():
    """All operations require a bearer token, apart from those that issue tokens and probes."""
    for path, item in document()["paths"].items():
        for operation in item.values():
            required = operation.get("security") == [{"bearer": []}]
            assert required == (path not in WITHOUT_TOKEN), path
            assert not required or {"401", "429"} <= operation["responses"].keys()


def _parts(part: object) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _parts(each)


def test_references_lead_somewhere():
    """Each reference of the document has a target."""
    references = [part for part in _parts(document()) if isinstance(part.get("$ref"), str)]
    assert len(references) > 100
    for reference in references:
        assert resolve(reference)


def test_examples_and_defaults_are_valid():
    """Each example and default is valid under its own schema."""
    count = 0
    for part in _parts(document()):
        examples = part.get("examples", [])
        values = [*examples, part["default"]] if "default" in part else examples
        for value in values if isinstance(values, list) else ():
            conformance.validate(value, part)
            count += 1
    assert count >= 10


@pytest.mark.parametrize(
    ("password", "valid"),
    [
        (PASSWORD, True),
        ("Пароль-Пароль-7", True),
        ("Short1!", False),
        ("x" * 257, False),
        ("no upper case 1!", False),
        ("NO LOWER CASE 1!", False),
        ("No digit at all!", False),
        ("No special character 1", False),
    ],
)
def test_password_rules_are_declared(password: str, *, valid: bool):
    """The schema of a new password accepts what the service accepts."""
    schema = document()["components"]["schemas"]["SignupRequest"]["properties"]["password"]
    try:
        conformance.validate(password, schema)
    except jsonschema_rs.ValidationError:
        assert not valid
    else:
        assert valid


async def test_undeclared_responses_are_found(client: httpx2.AsyncClient):
    """The check of responses finds an undeclared status, a missing header and another body."""
    response = await client.get("/live")
    response.status_code = 302
    with pytest.raises(AssertionError, match="302 is not in the document"):
        await conformance.check(response)
    response = await client.get("/api/v1/auth/me")
    del response.headers["WWW-Authenticate"]
    with pytest.raises(AssertionError, match="lacks the header WWW-Authenticate"):
        await conformance.check(response)
    response = await client.get("/live")
    response.request = client.build_request("GET", "/ready")
    with pytest.raises(jsonschema_rs.ValidationError):
        await conformance.check(response)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE", "OPTIONS", "BREW"])
async def test_405_lists_the_methods_of_all_routes(client: httpx2.AsyncClient, method: str):
    """The Allow header of a 405 has the methods of each endpoint of the path."""
    response = await client.request(method, "/api/patients/")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"
    assert response.json()["error"]["code"] == "method_not_allowed"


async def test_an_id_of_another_form_is_no_resource(
    client: httpx2.AsyncClient, ann: dict[str, str]
):
    """An id that is no UUID is a 404, and a path with other methods only is a 405."""
    assert (await client.get("/api/sessions/1", headers=ann)).status_code == 404
    response = await client.get("/api/sessions/upload", headers=ann)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("path", ["/api/patients/", "/api/sessions/upload"])
async def test_other_media_types_are_rejected(
    client: httpx2.AsyncClient, ann: dict[str, str], path: str, media_type: str | None
):
    """A body of an undeclared media type is a 415."""
    headers = ann if media_type is None else ann | {"Content-Type": media_type}
    response = await client.post(path, content=b'{"full_name": "Pat"}', headers=headers)
    assert response.status_code == 415
    assert response.json()["error"]["code"] == "unsupported_media_type"


@pytest.mark.parametrize("value", [0, 1.5, True, "0", "20260131", "2026-01-31 10:00", [], {}])
async def test_numbers_are_not_dates(
    client: httpx2.AsyncClient, ann: dict[str, str], value: object
):
    """A number, or a text of another form, is not accepted as a date."""
    body = {"full_name": "Pat", "date_of_birth": value}
    response = await client.post("/api/patients/", json=body, headers=ann)
    assert response.status_code == 422
    assert response.json()["error"]["details"][0]["where"] == "body.date_of_birth"


async def test_new_resources_have_a_location(client: httpx2.AsyncClient, ann: dict[str, str]):
    """A 201 names the path of the new resource."""
    response = await client.post("/api/patients/", json={"full_name": "Pat"}, headers=ann)
    assert response.status_code == 201
    found = await client.get(response.headers["location"], headers=ann)
    assert found.json()["id"] == response.json()["id"]
