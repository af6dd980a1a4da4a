"""Limits of bodies, JSON, targets, texts and forms, and headers of all responses."""

import json
from collections.abc import AsyncIterator

import httpx2
import pytest
from app import limits
from app.auth import passwords
from app.errors import Unprocessable
from app.middleware.request_size import check_json_structure
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from recordings import wav
from starlette.types import Message

LOGIN = "/api/v1/auth/login"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
ROUTES = [
    ("POST", LOGIN),
    ("POST", "/api/v1/auth/signup"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/patients/"),
    ("PATCH", f"/api/patients/{'0' * 32}"),
    ("GET", "/live"),
    ("DELETE", "/nowhere"),
]


async def status_of_unread(app: FastAPI, method: str, path: str, *headers: tuple[bytes, bytes]):
    """Send headers without a body to the app; return the status of its response."""
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": b""}
    scope |= {"headers": list(headers), "client": ("127.0.0.1", 1), "scheme": "http"}
    await app(scope, receive, send)
    return sent[0]["status"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_declared_body_is_refused_unread(app: FastAPI, method: str, path: str):
    """A body whose declared length passes the limit is a 413, and no byte of it is read."""
    length = (b"content-length", b"%d" % (limits.MAX_BODY_BYTES + 1))
    assert await status_of_unread(app, method, path, length) == 413


async def test_declared_upload_is_refused_unread(app: FastAPI):
    """An upload whose declared length passes its limit is a 413 before authentication."""
    length = (b"content-length", b"%d" % (app.state.settings.max_upload_bytes * 2))
    assert await status_of_unread(app, "POST", "/api/sessions/upload", length) == 413


async def test_chunked_body_is_refused_when_it_passes_the_limit(client: httpx2.AsyncClient):
    """A body without a declared length is a 413 when it passes the limit."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"[" * 1024

    refused = await client.post(LOGIN, content=pieces(), headers=JSON)
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000,
        b'{"a":' * 50,
        b"[" + b"0," * 5000 + b"0]",
        b"[" + b"{}," * 500 + b"{}]",
        '{"email": "a@b.co", "password": "x"}'.encode("utf-16"),
        b'{"email": "a@b.co", "password": ' + b"9" * 10_000 + b"}",
    ],
    ids=["arrays", "objects", "numbers", "wide", "utf-16", "digits"],
)
async def test_hostile_json_is_a_client_error(client: httpx2.AsyncClient, body: bytes):
    """JSON that is deep, wide, not UTF-8 or a huge number is a 400 or 422."""
    response = await client.post(LOGIN, content=body, headers=JSON)
    assert response.status_code in {400, 422}


leaf = st.none() | st.booleans() | st.integers() | st.text()
value = st.recursive(leaf, lambda each: st.lists(each) | st.dictionaries(st.text(), each))


def _depth(tree: object) -> int:
    children = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else None
    return 0 if children is None else 1 + max(map(_depth, children), default=0)


@given(value)
def test_small_json_passes(tree: object):
    """JSON within the limits passes, whatever its strings contain."""
    if _depth(tree) <= limits.MAX_JSON_DEPTH:
        check_json_structure(json.dumps(tree).encode())


@given(st.text(st.sampled_from('"\\[{,]}a'), max_size=300))
def test_depth_is_found_between_strings(text: str):
    """Brackets in strings do not count, and those between strings do."""
    string = json.dumps(text)
    check_json_structure(f'{{"notes": {string}}}'.encode())
    tree = "[" + string + ",["
    with pytest.raises(Unprocessable):
        check_json_structure((tree * limits.MAX_JSON_DEPTH).encode())


async def test_longest_notes_are_accepted(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str
):
    """Notes of 20,000 characters are accepted, whichever characters and escapes they use."""
    form = {"patient_id": patient_id, "notes": "\N{BRAIN}" * 20_000}
    uploaded = await client.post(
        "/api/sessions/upload", data=form, files={"file": wav()}, headers=ann
    )
    assert uploaded.status_code == 202, uploaded.text
    path = f"/api/sessions/{uploaded.json()['id']}"
    for text in ('",[{' * 5000, "\N{BRAIN}" * 20_000):
        body = json.dumps({"therapist_notes": text})
        changed = await client.patch(path, content=body, headers=ann | JSON)
        assert (changed.status_code, changed.json()["therapist_notes"]) == (200, text)


async def test_long_target_is_refused(client: httpx2.AsyncClient):
    """A path and query of more than 8 KiB are a 414."""
    for target in ("/live?a=" + "a" * 9000, "/api/patients/" + "a" * 9000):
        response = await client.get(target)
        assert (response.status_code, response.json()["error"]["code"]) == (414, "uri_too_long")


@pytest.mark.parametrize("path", [LOGIN, "/api/v1/auth/signup"])
async def test_long_password_is_not_hashed(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, path: str
):
    """A password of more than 256 characters is refused before its rules and its hash."""
    for name in ("verify_password", "hash_password", "unicodedata"):
        monkeypatch.setattr(passwords, name, None)
    account = {"email": "ann@example.com", "full_name": "Ann", "password": "Aa1!" * 65}
    response = await client.post(path, json=account)
    assert response.status_code == 422
    (detail,) = response.json()["error"]["details"]
    assert (detail["where"], "at most 256" in detail["message"]) == ("body.password", True)


def _part(name: str, data: bytes = b"x") -> bytes:
    disposition = b'Content-Disposition: form-data; name="%s"' % name.encode()
    return b"--x\r\n" + disposition + b"\r\n\r\n" + data + b"\r\n"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (_part("file", b"RIFF") + b"--x--\r\n" + b"a" * 100_000, 400, "outside of its parts"),
        (b"\r\n" * 100_000 + _part("file") + b"--x--\r\n", 400, "outside of its parts"),
        (b"".join(_part(str(n)) for n in range(1000)) + b"--x--\r\n", 400, "more than 16 parts"),
        (_part("a" * 10_000) + b"--x--\r\n", 400, "header size"),
        (_part("notes", b"a" * 200_000) + b"--x--\r\n", 413, "fields are too long"),
    ],
    ids=["epilogue", "preamble", "parts", "part header", "field"],
)
async def test_hostile_forms_are_refused(
    client: httpx2.AsyncClient, ann: dict[str, str], body: bytes, status: int, message: str
):
    """Forms with too much of anything but the recording are refused while they arrive."""
    sent_bytes = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent_bytes
        for start in range(0, len(body), 1024):
            sent_bytes = start
            yield body[start : start + 1024]

    response = await client.post("/api/sessions/upload", content=pieces(), headers=ann | FORM)
    assert response.status_code == status
    assert sent_bytes < len(body) - 2048
    assert message in response.json()["error"]["message"]


async def test_line_break_after_the_form_is_accepted(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str
):
    """A short text before and after a form, which RFC 2046 allows, is ignored."""
    body = b"\r\n" + _part("file", wav()) + b"--x--\r\n" + b"\r\n" * 100
    path = f"/api/sessions/upload?patient_id={patient_id}"
    response = await client.post(path, content=body, headers=ann | FORM)
    assert response.status_code == 202, response.text


@pytest.mark.parametrize("path", ["/live", "/nowhere", "/api/sessions/", "/docs"])
async def test_responses_are_not_stored_or_sniffed(client: httpx2.AsyncClient, path: str):
    """Each response forbids caches to store it, and browsers to guess its type."""
    response = await client.get(path)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_redirects_do_not_repeat_the_host(client: httpx2.AsyncClient):
    """A redirect is relative, so a forged Host header has no effect."""
    headers = {"Host": "evil.example"}
    response = await client.get("/api/sessions?limit=1", headers=headers)
    assert (response.status_code, response.headers["location"]) == (307, "/api/sessions/?limit=1")


@pytest.mark.parametrize(
    "path", ["/live%0A", "/metrics%0A", "/api/sessions/%0A", "/li%00ve", "/%7f"]
)
async def test_path_with_a_control_character_is_400(client: httpx2.AsyncClient, path: str):
    """A path that ends with a line break is not that of the operation without it."""
    response = await client.get(path)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_request")
