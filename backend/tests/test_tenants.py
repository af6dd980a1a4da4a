"""Isolation of tenants: no operation tells or changes anything of another tenant's records."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx2
import pytest
from app.errors import Forbidden, NotFound
from app.patients.models import Patient
from app.settings import Settings
from campaigns.tenants.calls import UnknownIdentifier, calls, example_of
from campaigns.tenants.isolation import Report, check, lists_of
from campaigns.tenants.records import Tenant, log_in, make_tenant
from fastapi import FastAPI, Response

IDS = {"patient_id": "1", "session_id": "2"}


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Settings without a rate limit in reach."""
    limits = ("default", "login", "signup", "upload")
    return make_settings(**{f"rate_limit_{name}": "1000000/minute" for name in limits})


@pytest.fixture
async def tenants(app: FastAPI, client: httpx2.AsyncClient) -> tuple[Tenant, Tenant]:
    """Two therapists with records."""
    url = app.state.settings.driver_url
    return await make_tenant(client, url, "ann"), await make_tenant(client, url, "bob")


async def test_records_of_another_tenant_are_as_if_there_were_none(
    app: FastAPI, client: httpx2.AsyncClient
):
    """Each operation with each identifier in each place tells and changes nothing."""
    document, url, report = app.openapi(), app.state.settings.driver_url, Report()
    bob = await make_tenant(client, url, "bob")
    before = await lists_of(client, document, bob.headers)
    ann = await make_tenant(client, url, "ann")
    assert await lists_of(client, document, bob.headers) == before
    assert len(before) >= 3
    patient = await log_in(client, url, "cy", "patient")
    others = {"therapist": bob.headers, "patient": patient}
    await check(client, document, ann, others, report)
    assert "\n".join(report.leaks) == ""
    assert report.void == []
    assert {"path", "query", "body", "cursor"} <= {place for _, place in report.requests}


async def _planted(
    app: FastAPI, client: httpx2.AsyncClient, tenants: tuple[Tenant, Tenant]
) -> list[str]:
    """Return what is found in the operations below /leak."""
    ann, bob = tenants
    document: dict[str, Any] = app.openapi()
    paths = {path: each for path, each in document["paths"].items() if path.startswith("/leak")}
    report = Report()
    await check(client, {**document, "paths": paths}, ann, {"therapist": bob.headers}, report)
    return report.leaks


@pytest.mark.parametrize("kind", ["shows", "counts", "hints", "changes", "reads the query"])
async def test_each_kind_of_leak_is_found(
    app: FastAPI, client: httpx2.AsyncClient, tenants: tuple[Tenant, Tenant], kind: str
):
    """A new operation is covered by itself: its leak is found without a rule for it."""

    async def find(patient_id: UUID | None) -> Patient | None:
        async with app.state.database.session() as session:
            return None if patient_id is None else await session.get(Patient, patient_id)

    async def leak(patient_id: UUID, response: Response) -> dict[str, object]:
        patient = await find(patient_id)
        if patient is None:
            raise NotFound("There is no such patient.")
        if kind == "hints":
            raise Forbidden("It is another therapist's.")
        response.headers["X-Total"] = "1" if kind == "counts" else "0"
        return {"name": patient.full_name} if kind == "shows" else {}

    async def change(patient_id: UUID) -> dict[str, str]:
        async with app.state.database.session() as session:
            if (patient := await session.get(Patient, patient_id)) is not None:
                patient.full_name = "changed"
        raise NotFound("There is no such patient.")

    async def read_query(patient_id: UUID | None = None) -> dict[str, str]:
        patient = await find(patient_id)
        return {"name": patient.full_name if patient else "no one's"}

    if kind == "changes":
        app.post("/leak/{patient_id}")(change)
        app.get("/leak/{patient_id}")(leak)
    elif kind == "reads the query":
        app.get("/leaks")(read_query)
    else:
        app.get("/leak/{patient_id}")(leak)
    app.openapi_schema = None
    assert await _planted(app, client, tenants)


def test_an_identifier_without_a_record_is_refused():
    """A new kind of identifier must get a record before the campaign can say anything."""
    operation = {"parameters": [{"name": "invoice_id", "in": "path"}]}
    document = {"paths": {"/invoices/{invoice_id}": {"get": operation}}}
    with pytest.raises(UnknownIdentifier, match="'invoice_id': make a record"):
        list(calls(document, IDS))


def test_identifiers_are_sent_in_all_places():
    """An operation gets each identifier in its path, its query and its body, declared or not."""
    schema = {"type": "object", "properties": {"session_id": {}, "name": {"type": "string"}}}
    operation = {
        "parameters": [{"name": "patient_id", "in": "path"}],
        "requestBody": {"content": {"application/json": {"schema": schema}}},
    }
    made = list(calls({"paths": {"/a/{patient_id}": {"put": operation}}}, {**IDS, "x_id": "3"}))
    assert [(each.url, each.place, each.is_declared) for each in made] == [
        ("/a/1", "body session_id", True),
        ("/a/1", "body patient_id (undeclared)", False),
        ("/a/1", "query x_id (undeclared)", False),
        ("/a/1", "body x_id (undeclared)", False),
    ]


def test_examples_are_as_their_schema_says():
    """Examples, defaults, formats and types give a value that the service accepts."""
    document = {"components": {"A": {"type": "object", "properties": {"b": {"enum": ["x"]}}}}}
    schema = {
        "type": "object",
        "properties": {
            "a": {"$ref": "#/components/A"},
            "n": {"anyOf": [{"type": "integer", "minimum": 3}, {"type": "null"}]},
            "t": {"type": "string", "minLength": 6},
            "e": {"type": "string", "examples": ["e"]},
            "r": {"type": "string", "readOnly": True},
        },
    }
    assert example_of(schema, document) == {"a": {"b": "x"}, "n": 3, "t": "Textxx", "e": "e"}
