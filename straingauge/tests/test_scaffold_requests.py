import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from straingauge.cli.journey_file import from_file
from straingauge.http import Request, Response
from straingauge.http.models import check_response
from straingauge.http.site import Site
from straingauge.journey import User
from straingauge.scaffold import Document, Scaffold, scaffold
from straingauge.verdict.thresholds import Thresholds

OK = {"200": {"description": "fine"}}
ROW = {
    "type": "object",
    "required": ["id", "name", "secret"],
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "name": {"type": "string"},
        "secret": {"type": "string", "writeOnly": True},
    },
}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}, "example": 1}
TOKEN = {"type": "object", "properties": {"access_token": {"type": "string"}}}


def answer(schema: object, status: str = "200") -> dict[str, Any]:
    """Return responses with this JSON."""
    return {status: {"description": "", "content": {"application/json": {"schema": schema}}}}


def body(schema: object, kind: str = "application/json") -> dict[str, Any]:
    """Return a request body of this schema."""
    return {"content": {kind: {"schema": schema}}}


def suite_of(paths: object, *, writes: bool = False, **parts: object) -> Scaffold:
    """Return the suite for a document with these paths."""
    content = {"openapi": "3.0.3", "info": {"title": "A service"}, "paths": paths, **parts}
    document = Document.parse(json.dumps(content), "here.json")
    return scaffold(document, "http://localhost:8000", Path("load"), here=True, writes=writes)


def sent(
    suite: Scaffold,
    tmp_path: Path,
    answers: dict[str, object] | None = None,
    user: User | None = None,
) -> dict[str, list[Request]]:
    """Return the requests of the log-in, and of each journey of the mix."""
    file = tmp_path / "journeys.py"
    file.write_text(suite.files["journeys.py"])
    found = from_file(file)
    user = user or User(0, dict(found.account(0)) if found.account else {})
    journeys = [("log_in", found.log_in)] if found.log_in else []
    journeys += [(journey.__name__, journey) for journey, _ in found.journeys.weights]
    return {name: [*_requests(journey(user), answers or {})] for name, journey in journeys}


def _requests(journey: Any, answers: dict[str, object]) -> Iterator[Request]:  # noqa: ANN401
    response = None
    while True:
        try:
            request = journey.send(response)
        except StopIteration:
            return
        yield request
        content = json.dumps(answers.get(request.name, {})).encode()
        response = Response(request, 200, b"HTTP/1.1 200 OK", content)


WRITES = {
    "/items": {
        "post": {"requestBody": body(ROW), "responses": answer(ROW, "201")},
        "delete": {"responses": OK},
    },
    "/items/{id}": {
        "parameters": [ID],
        "put": {"requestBody": body(ROW), "responses": OK},
        "delete": {"responses": OK},
    },
    "/notes": {"post": {"requestBody": body(ROW), "responses": answer(ROW)}},
    "/notes/{id}": {"parameters": [ID], "delete": {"responses": OK}},
    "/me": {"get": {"responses": OK}, "delete": {"responses": OK}, "patch": {"responses": OK}},
    "/logout": {"get": {"responses": OK}, "post": {"responses": answer(ROW, "201")}},
    "/settings": {"put": {"responses": OK}},
    "/search": {"post": {"responses": OK}},
}


def test_writes_change_only_what_their_journey_created(tmp_path: Path):
    """With --writes a journey changes and deletes the item that it created, confirmed by a 201."""
    suite = suite_of(WRITES, writes=True)
    requests = sent(suite, tmp_path, {"POST /items": {"id": "a/7", "name": "text"}})
    assert {name: [(r.method, r.target) for r in all_] for name, all_ in requests.items()} == {
        "post_items": [("POST", "/items")],
        "put_items_id": [("POST", "/items"), ("PUT", "/items/a%2F7")],
        "delete_items_id": [("POST", "/items"), ("DELETE", "/items/a%2F7")],
        "post_notes": [("POST", "/notes")],
        "get_me": [("GET", "/me")],
    }
    assert requests["delete_items_id"][0].expect == {201}


def test_without_a_safe_operation_nothing_is_sent():
    """If only operations that change data exist, the mix is a placeholder instead of them."""
    suite = suite_of({"/all": {"delete": {"responses": OK}}})
    assert (suite.mixed, "(nothing_to_send, 1)" in suite.files["journeys.py"]) == ([], True)


def test_operations_that_end_something_are_skipped():
    """A GET whose path or id says that it logs out, resets or deletes is skipped."""
    names = ("/logout", "/auth/sign-out", "/cache/clear", "/orders", "/closed")
    paths = {name: {"get": {"responses": OK}} for name in names}
    paths["/x"] = {"get": {"operationId": "deleteEverything", "responses": OK}}
    assert [each.path for each in suite_of(paths).mixed] == ["/orders", "/closed"]


def test_a_look_up_allows_for_deleted_rows():
    """A row that another journey may delete in between is allowed to be missing."""
    item = {"get": {"responses": OK}, "delete": {"responses": OK}}
    listed = {"get": {"responses": answer({"type": "array", "items": ROW})}}
    paths = {"/items": {**WRITES["/items"], **listed}, "/items/{id}": item}
    by_name = {each.name: each.success.expect for each in suite_of(paths, writes=True).mixed}
    assert by_name["GET /items/{id}"] == [200, 404]


def test_parameters_have_their_style(tmp_path: Path):
    """Arrays, objects and booleans are sent in the style that the document says."""

    def given(name: str, place: str, value: object, **more: object) -> dict[str, object]:
        return {"name": name, "in": place, "required": True, "example": value, **more}

    parameters = [
        given("a", "path", [1, 2], style="matrix", explode=True),
        given("b", "path", {"x": 1}, style="label"),
        given("q", "query", [1, True]),
        given("r", "query", ["a", "b"], explode=False),
        given("s", "query", {"x": [1, 2], "y": {"z": True}}, style="deepObject"),
        given("t", "query", [1, 2], style="pipeDelimited", explode=False),
        given("X-H", "header", {"a": 1}, explode=True),
        given("Accept", "header", "text/x"),
        given("Host", "header", "elsewhere"),
        given("sid", "cookie", "v"),
    ]
    suite = suite_of({"/p/{a}/{b}": {"get": {"parameters": parameters, "responses": OK}}})
    (((request,),)) = sent(suite, tmp_path).values()
    query = "q=1&q=true&r=a%2Cb&s%5Bx%5D=1&s%5Bx%5D=2&s%5By%5D%5Bz%5D=true&t=1%7C2"
    assert request.target == f"/p/;a=1;a=2/.x,1?{query}"
    assert request.headers == {"X-H": "a=1", "Cookie": "sid=v"}


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/vnd.api+json", b'{"name":"text","secret":"text"}'),
        ("application/json; version=2", b'{"name":"text","secret":"text"}'),
        ("application/x-ndjson", b'{"name":"text","secret":"text"}\n'),
        ("application/x-www-form-urlencoded", b"name=text&secret=text"),
    ],
)
def test_bodies_have_their_media_type(tmp_path: Path, kind: str, content: bytes):
    """A body is sent as its media type says, without properties that are read only."""
    post = {"requestBody": body(ROW, kind), "responses": {"201": {"description": ""}}}
    (((request,),)) = sent(suite_of({"/x": {"post": post}}, writes=True), tmp_path).values()
    assert (request.headers["Content-Type"], request.body) == (kind, content)


@pytest.mark.parametrize(
    ("others", "headers"),
    [(("text/csv", "application/xml"), {"Accept": "application/json"}), ((), {})],
)
def test_a_choice_of_media_types(tmp_path: Path, others: tuple[str, ...], headers: object):
    """JSON, which is checked, is asked for if a response may be something else."""
    responses = answer({"type": "array", "items": ROW})
    responses["200"]["content"] = {**{kind: {} for kind in others}, **responses["200"]["content"]}
    paths = {"/items": {"get": {"responses": responses}}, "/items/{id}": {"get": {"responses": OK}}}
    requests = sent(
        suite_of(paths), tmp_path, {"GET /items": [{"id": 1, "name": "", "secret": ""}]}
    )
    assert [each[0].headers for each in requests.values()] == [headers, headers]


@pytest.mark.parametrize(
    ("responses", "status", "content", "passes"),
    [
        ({**answer(ROW), "204": {"description": ""}}, 204, b"", True),
        (answer(ROW, "2XX"), 201, b'{"id": 1, "name": ""}', True),
        (answer(ROW, "2XX"), 201, b"{}", False),
        (answer(ROW, "default"), 206, b"{}", True),
        (answer(ROW, "default"), 404, b"{}", False),
        (answer(ROW), 200, b'{"id": 1}', False),
    ],
)
def test_declared_responses_pass(
    tmp_path: Path, responses: object, status: int, content: bytes, *, passes: bool
):
    """Ranges, empty responses and fields that are only written are judged as declared."""
    (((request,),)) = sent(suite_of({"/x": {"get": {"responses": responses}}}), tmp_path).values()
    response = Response(request, status, b"HTTP/1.1 200 OK", content)
    assert (check_response(response) is None) == passes


LOGIN = {
    "type": "object",
    "required": ["user"],
    "properties": {
        "user": {
            "type": "object",
            "required": ["email", "password"],
            "properties": {"email": {"type": "string"}, "password": {"type": "string"}},
        }
    },
}
BEARER = {"type": "http", "scheme": "bearer"}
TOKEN_KEY = {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Token abc"}


@pytest.mark.parametrize(
    ("log_in", "scheme", "authorization"),
    [
        ({"requestBody": body(LOGIN)}, BEARER, "Bearer t"),
        ({"requestBody": body(LOGIN)}, {"type": "http", "scheme": "Token"}, "Token t"),
        (
            {"requestBody": body(LOGIN)},
            {**TOKEN_KEY, "description": 'required prefix "Token"'},
            "Token t",
        ),
        (
            {"requestBody": body(LOGIN["properties"]["user"], "application/x-www-form-urlencoded")},
            {**TOKEN_KEY, "description": "Use `JWT <token>`"},
            "JWT t",
        ),
        ({"security": [{"basic": []}]}, BEARER, "Bearer t"),
    ],
)
def test_a_log_in_operation_is_called(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    log_in: dict[str, Any],
    scheme: dict[str, Any],
    authorization: str,
):
    """A log-in by JSON, form or HTTP Basic gets a token, sent with the document's prefix."""
    monkeypatch.setenv("API_USERNAME", "ann")
    monkeypatch.setenv("API_PASSWORD", "pw")
    suite = suite_of(
        {
            "/auth/login": {"post": {"security": [], **log_in, "responses": answer(TOKEN)}},
            "/me": {"get": {"security": [{"it": []}], "responses": OK}},
        },
        servers=[{"url": "/api"}],
        components={
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}, "it": scheme}
        },
    )
    requests = sent(suite, tmp_path, {"POST /api/auth/login": {"access_token": "t"}})
    (asked,) = requests["log_in"]
    assert asked.target == "/api/auth/login"
    assert b"ann" in (asked.body or b"") or "Basic YW5uOnB3" in asked.headers.values()
    assert requests["get_api_me"][0].headers == {"Authorization": authorization}


@pytest.mark.parametrize(
    ("token_url", "path"),
    [
        ("token", "/api/token"),
        ("/auth/token", "/auth/token"),
        ("https://api.example.com/api/t", "/api/t"),
        ("http://localhost:8000/t", "/t"),
        ("https://login.example.com/t", None),
        ("http://localhost:9000/t", None),
    ],
)
def test_passwords_go_to_the_service_only(token_url: str, path: str | None):
    """A token URL of another host is left to the user; a relative one begins at the base path."""
    flows = {"password": {"tokenUrl": token_url, "scopes": {}}}
    suite = suite_of(
        {"/me": {"get": {"responses": OK}}},
        servers=[{"url": "https://api.example.com/api"}],
        security=[{"it": []}],
        components={"securitySchemes": {"it": {"type": "oauth2", "flows": flows}}},
    )
    code = suite.files["journeys.py"]
    assert (f'user.post("{path}", form=form)' in code) == (path is not None)
    assert tuple(suite.settings) == (("API_USERNAME", "API_PASSWORD") if path else ("API_TOKEN",))


def test_the_scheme_that_operations_ask_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Keys go into cookie and query as asked, and operations with another log-in are skipped."""
    monkeypatch.setenv("API_KEY_C", "c")
    monkeypatch.setenv("API_KEY_Q", "q")
    both = [{"c": [], "q": []}]
    suite = suite_of(
        {
            "/a": {"get": {"security": both, "responses": OK}},
            "/b": {"get": {"security": both, "responses": OK}},
            "/other": {"get": {"security": [{"first": []}], "responses": OK}},
        },
        components={
            "securitySchemes": {
                "first": BEARER,
                "c": {"type": "apiKey", "in": "cookie", "name": "sid"},
                "q": {"type": "apiKey", "in": "query", "name": "key"},
            }
        },
    )
    user, site = User(0), Site.parse("http://localhost:8000")
    (request,) = sent(suite, tmp_path, user=user)["get_a"]
    assert request.target == "/a?key=q"
    assert user.cookie_line(request, site) == b"\r\nCookie: sid=c"
    user.cookies.keep(b"HTTP/1.1 200 OK\r\nSet-Cookie: own=1\r\n", site, "/a")
    assert user.cookie_line(request, site) == b"\r\nCookie: sid=c; own=1"
    assert [reason for _, reason in suite.skipped] == ["it asks for another log-in: first"]


def test_thresholds_hold_for_each_endpoint():
    """The draft has p99, and thresholds for each endpoint of the mix."""
    suite = suite_of({"/a": {"get": {"responses": OK}}, '/"b': {"get": {"responses": OK}}})
    thresholds = Thresholds.parse(tomllib.loads(suite.files["thresholds.toml"]), source="it")
    assert {*thresholds.endpoints} == {"GET /a", 'GET /"b'}
    assert all({"p95_ms", "p99_ms"} == {*each} for each in thresholds.endpoints.values())
    assert "p99_ms" in thresholds.overall
