import uuid
from collections.abc import Awaitable, Callable

import httpx2
import pytest
from app.auth.models import Role
from app.auth.tokens import Principal
from fastapi import FastAPI
from service import PASSWORD, run_backend
from straingauge.target.ports import free_port

from straingauge import Postgres

Open = Callable[..., Awaitable[httpx2.AsyncClient]]
MESSAGE = "ann@example.com said something private"


async def _crash() -> None:
    raise RuntimeError(MESSAGE)


def with_crash(app: FastAPI) -> None:
    """Add an endpoint that raises an unexpected exception."""
    app.add_api_route("/crash", _crash)


@pytest.mark.parametrize(
    ("request_line", "body", "status", "code"),
    [
        ("GET /nowhere", None, 404, "not_found"),
        ("GET /api/nowhere", None, 404, "not_found"),
        ("DELETE /live", None, 405, "method_not_allowed"),
        ("GET /api/v1/auth/me", None, 401, "unauthorized"),
        ("POST /api/v1/auth/login", b"{", 422, "validation_error"),
        ("POST /api/v1/auth/login", b"{}", 422, "validation_error"),
        ("POST /api/v1/auth/refresh", b'{"refresh_token": ""}', 422, "validation_error"),
        ("POST /api/v1/auth/refresh", b'{"refresh_token": "x"}', 401, "invalid_refresh_token"),
        ("GET /crash", None, 500, "internal_error"),
    ],
)
async def test_errors_have_the_same_format(
    open_client: Open, request_line: str, body: bytes | None, status: int, code: str
):
    """Every error response is JSON with a code, a message and the request id."""
    client = await open_client(with_crash)
    headers = {"Content-Type": "application/json", "X-Request-ID": "my-request.1"}
    method, path = request_line.split()
    response = await client.request(method, path, content=body, headers=headers)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["request_id"] == response.headers["x-request-id"] == "my-request.1"
    assert ("details" in error) == (code == "validation_error")
    assert set(error) <= {"code", "message", "request_id", "details"}
    assert "server-timing" in response.headers


async def test_405_lists_allowed_methods(open_client: Open):
    """A 405 has an Allow header with the supported methods."""
    client = await open_client()
    assert "GET" in (await client.delete("/live")).headers["allow"]


async def test_validation_error_contains_no_input(open_client: Open):
    """A validation error names the invalid fields without their values."""
    client = await open_client()
    body = {"email": "not an address", "password": PASSWORD, "full_name": ""}
    response = await client.post("/api/v1/auth/signup", json=body)
    assert response.status_code == 422
    assert {detail["where"] for detail in response.json()["error"]["details"]} == {
        "body.email",
        "body.full_name",
    }
    assert PASSWORD not in response.text
    assert "not an address" not in response.text


async def test_unexpected_error_is_not_shown_to_the_client(open_client: Open):
    """The body of a 500 does not contain the message of the exception."""
    client = await open_client(with_crash)
    assert "private" not in (await client.get("/crash")).text


@pytest.mark.parametrize("given", ["", "two words", "x" * 65, "new\tline", 'quote"d', "ümlaut"])
async def test_invalid_request_id_is_replaced(open_client: Open, given: str):
    """A request id that is empty, too long or has special characters is replaced."""
    client = await open_client()
    headers = [(b"X-Request-ID", given.encode())]
    response = await client.get("/live", headers=headers)
    assert response.headers["x-request-id"] != given
    assert response.headers["x-request-id"]


async def test_request_ids_are_unique(open_client: Open):
    """Each request without an id gets a unique one."""
    client = await open_client()
    ids = {(await client.get("/live")).headers["x-request-id"] for _ in range(100)}
    assert len(ids) == 100


def _database_operations(app: FastAPI) -> set[tuple[str, str]]:
    """Return the operations that may need the database, with random ids in their paths."""
    operations = set()
    for path, methods in app.openapi()["paths"].items():
        filled = path
        for name in ("{session_id}", "{patient_id}"):
            filled = filled.replace(name, str(uuid.uuid4()))
        assert "{" not in filled
        operations |= {
            (method.upper(), filled)
            for method, operation in methods.items()
            if path not in WITHOUT_DATABASE
        }
    return operations


WITHOUT_DATABASE = ("/", "/live", "/metrics")
BODIES = {
    "/api/v1/auth/signup": {"email": "a@example.com", "password": PASSWORD, "full_name": "A"},
    "/api/v1/auth/login": {"email": "a@example.com", "password": PASSWORD},
    "/api/v1/auth/refresh": {"refresh_token": "x"},
    "/api/v1/auth/logout": {"refresh_token": "x"},
}


@pytest.mark.parametrize("storage", ["memory", "postgres"])
async def test_unavailable_database_is_503_on_every_endpoint(open_client: Open, storage: str):
    """If the database is unavailable, every endpoint that needs it is a 503 with Retry-After."""
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/nowhere"
    client = await open_client(database_url=nowhere, rate_limit_storage=storage)
    app: FastAPI = client._transport.app  # type: ignore[attr-defined]
    token = app.state.access_tokens.issue(Principal(uuid.uuid4(), Role.THERAPIST))
    headers = {"Authorization": f"Bearer {token}"}
    statuses = {}
    for method, path in sorted(_database_operations(app)):
        body = BODIES.get(path, {"full_name": "Pat", "therapist_notes": "x"})
        if path == "/api/sessions/upload":
            continue  # takes a form instead of JSON; see test_upload.py
        sent = None if method in {"GET", "HEAD"} else body
        response = await client.request(method, path, json=sent, headers=headers)
        statuses[method, path] = response.status_code
        if response.status_code == 503:
            assert response.headers["retry-after"] == "1"
    assert set(statuses.values()) == {503}, statuses
    for path in WITHOUT_DATABASE:
        assert (await client.get(path)).status_code == 200


async def test_service_recovers_after_a_database_outage(open_client: Open):
    """The service is a 503 while the database is stopped, and recovers when it is started."""
    with Postgres(durable=False) as server:
        run_backend("-m", "alembic", "upgrade", "head", database_url=server.url)
        client = await open_client(database_url=server.url)
        assert (await client.get("/health")).status_code == 200
        server.stop()
        for path in ("/health", "/ready"):
            response = await client.get(path)
            assert response.status_code == 503
            assert "database" in response.text
        server.start()
        assert (await client.get("/health")).status_code == 200
