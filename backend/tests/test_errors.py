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
BOOM = "ann@example.com said something private"


async def _crash() -> None:
    raise RuntimeError(BOOM)


def with_crash(app: FastAPI) -> None:
    """Plant an endpoint that fails in a way nobody foresaw."""
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
async def test_every_error_has_one_shape(
    open_client: Open, request_line: str, body: bytes | None, status: int, code: str
):
    """Whatever goes wrong, the answer is the same JSON with a code, a message and the id."""
    client = await open_client(with_crash)
    headers = {"Content-Type": "application/json", "X-Request-ID": "my-request.1"}
    method, path = request_line.split()
    answer = await client.request(method, path, content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["request_id"] == answer.headers["x-request-id"] == "my-request.1"
    assert ("details" in error) == (code == "validation_error")
    assert set(error) <= {"code", "message", "request_id", "details"}
    assert "server-timing" in answer.headers


async def test_a_405_says_what_is_allowed(open_client: Open):
    """A wrong method is answered with the right ones."""
    client = await open_client()
    assert "GET" in (await client.delete("/live")).headers["allow"]


async def test_a_validation_error_repeats_no_secret(open_client: Open):
    """An answer to an invalid request says what is wrong without quoting it."""
    client = await open_client()
    body = {"email": "not an address", "password": PASSWORD, "full_name": ""}
    answer = await client.post("/api/v1/auth/signup", json=body)
    assert answer.status_code == 422
    assert {detail["where"] for detail in answer.json()["error"]["details"]} == {
        "body.email",
        "body.full_name",
    }
    assert PASSWORD not in answer.text
    assert "not an address" not in answer.text


async def test_an_unforeseen_error_tells_the_client_nothing(open_client: Open):
    """A 500 does not quote the exception."""
    client = await open_client(with_crash)
    assert "private" not in (await client.get("/crash")).text


@pytest.mark.parametrize("given", ["", "two words", "x" * 65, "new\tline", 'quote"d', "ümlaut"])
async def test_a_doubtful_request_id_is_replaced(open_client: Open, given: str):
    """A request id that is not a plain short word is not taken over."""
    client = await open_client()
    headers = [(b"X-Request-ID", given.encode())]
    answer = await client.get("/live", headers=headers)
    assert answer.headers["x-request-id"] != given
    assert answer.headers["x-request-id"]


async def test_request_ids_are_never_given_twice(open_client: Open):
    """Each request without an id gets one of its own."""
    client = await open_client()
    ids = {(await client.get("/live")).headers["x-request-id"] for _ in range(100)}
    assert len(ids) == 100


def _addresses(app: FastAPI) -> set[tuple[str, str]]:
    """Every endpoint that needs the database, with made-up ids in its path."""
    found = {("GET", "/ready"), ("GET", "/health")}
    for path, operations in app.openapi()["paths"].items():
        filled = path
        for name in ("{session_id}", "{patient_id}"):
            filled = filled.replace(name, str(uuid.uuid4()))
        assert "{" not in filled
        found |= {(method.upper(), filled) for method in operations}
    return found


BODIES = {
    "/api/v1/auth/signup": {"email": "a@example.com", "password": PASSWORD, "full_name": "A"},
    "/api/v1/auth/login": {"email": "a@example.com", "password": PASSWORD},
    "/api/v1/auth/refresh": {"refresh_token": "x"},
    "/api/v1/auth/logout": {"refresh_token": "x"},
}


@pytest.mark.parametrize("storage", ["memory", "postgres"])
async def test_without_its_database_every_endpoint_is_503(open_client: Open, storage: str):
    """When the database is away, whatever needs it answers 503 with Retry-After, never 500."""
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/nowhere"
    client = await open_client(database_url=nowhere, rate_limit_storage=storage)
    app: FastAPI = client._transport.app  # type: ignore[attr-defined]
    token = app.state.access_tokens.issue(Principal(uuid.uuid4(), Role.THERAPIST))
    headers = {"Authorization": f"Bearer {token}"}
    seen = {}
    for method, path in sorted(_addresses(app)):
        body = BODIES.get(path, {"full_name": "Pat", "therapist_notes": "x"})
        if path == "/api/sessions/upload":
            continue  # takes no JSON; its own tests send it a recording
        sent = None if method == "GET" else body
        answer = await client.request(method, path, json=sent, headers=headers)
        seen[method, path] = answer.status_code
        if answer.status_code == 503:
            assert answer.headers["retry-after"] == "1"
    assert set(seen.values()) == {503}, seen
    assert (await client.get("/live")).status_code == 200


async def test_the_service_outlives_its_database(open_client: Open):
    """When the database goes away the service says 503, and serves again when it is back."""
    with Postgres(durable=False) as server:
        run_backend("-m", "alembic", "upgrade", "head", database_url=server.url)
        client = await open_client(database_url=server.url)
        assert (await client.get("/health")).status_code == 200
        server.stop()
        for path in ("/health", "/ready"):
            answer = await client.get(path)
            assert answer.status_code == 503
            assert "database" in answer.text
        server.start()
        assert (await client.get("/health")).status_code == 200
