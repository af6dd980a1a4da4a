"""Servers, base paths and token URLs of a document, and the service under test."""

import json
from pathlib import Path
from typing import Any

import pytest
from raw_server import Handler, Peer, certified, serve, speaking_tls
from straingauge.errors import TargetError
from straingauge.scaffold import Document, fetch, scaffold

SERVICE = "http://localhost:8000"
OK = {"200": {"description": "fine"}}
PATHS = {"/up": {"get": {"responses": OK}}}


def content(servers: object, paths: object = PATHS, **parts: object) -> str:
    """Return a document with these servers."""
    return json.dumps({"openapi": "3.1.0", "paths": paths, "servers": servers, **parts})


def servers(*urls: str) -> list[dict[str, str]]:
    """Return the servers of these URLs."""
    return [{"url": url} for url in urls]


@pytest.mark.parametrize(
    ("declared", "path"),
    [
        (servers("https://api.example.com/v1", f"{SERVICE}/local"), "/local/up"),
        (servers("https://api.example.com/v1", "http://127.0.0.1:8000"), "/up"),
        (servers("https://api.example.com/v1", "http://localhost:9000/other"), "/v1/up"),
        (servers("https://api.example.com/v1", "/v2"), "/v2/up"),
        (servers("localhost:8000/api"), "/api/up"),
        (servers("localhost:8000"), "/up"),
        (servers("https://[your-host]/v1", "/v2"), "/v2/up"),
        (servers("//api.example.com/v3/"), "/v3/up"),
    ],
)
def test_the_server_under_test_has_the_base_path(declared: list[dict[str, str]], path: str):
    """Of several servers, the base path is that of the service under test, if one is."""
    document = Document.parse(content(declared), "openapi.json", SERVICE)
    assert [each.path for each in document.operations()] == [path]


@pytest.mark.parametrize("url", ["https://[your-host]/v1", "https://api.example.com/{stage}"])
def test_a_server_that_tells_no_path(url: str):
    """A server that is no URL, or has a variable without a default, is no traceback."""
    (found,) = Document.parse(content(servers(url)), "openapi.json", SERVICE).operations()
    assert f"the server {url} has a variable without a default, or is no URL" in found.problem


def answering(known: dict[str, bytes]) -> Handler:
    """Answer these paths, and others with 404."""

    def handler(peer: Peer) -> None:
        while (exchange := peer.read()) is not None:
            status = 200 if exchange.target in known else 404
            peer.answer(status, known.get(exchange.target, b""))

    return handler


@pytest.mark.parametrize(
    ("declared", "here", "path"),
    [
        (servers("https://gateway.example/v1"), "/up", "/up"),
        (servers("https://gateway.example/v1"), "/v1/up", "/v1/up"),
        (servers("https://gateway.example/v1"), "/api/up", "/api/up"),
        (servers("https://gateway.example/v1"), "/nowhere", "/v1/up"),
        (servers("https://gateway.example/{stage}"), "/up", "/up"),
        (servers("/v1"), "/up", "/v1/up"),
    ],
)
def test_the_base_path_of_a_gateway(declared: list[dict[str, str]], here: str, path: str):
    """If all servers are of another host, the service is asked where the paths begin."""
    known = {"/openapi.json": content(declared).encode(), here: b"{}"}
    with serve(answering(known)) as server:
        assert [each.path for each in fetch(server.url, None).operations()] == [path]


@pytest.mark.parametrize(
    ("token_url", "code"),
    [
        ("https://gateway.example/v1/token", 'user.post("/token", form=form)'),
        ("https://gateway.example/login", 'user.post("/login", form=form)'),
        ("https://[tenant].example/token", 'user.authorize(setting("API_TOKEN"))'),
    ],
)
def test_a_token_url_of_a_gateway(token_url: str, code: str):
    """The base path of another server is not that of the log-in; what is no URL is not called."""
    flows = {"password": {"tokenUrl": token_url, "scopes": {}}}
    text = content(
        servers("https://gateway.example/v1", SERVICE),
        security=[{"it": []}],
        components={"securitySchemes": {"it": {"type": "oauth2", "flows": flows}}},
    )
    document = Document.parse(text, "openapi.json", SERVICE)
    suite = scaffold(document, SERVICE, Path("load"), here=True, writes=False)
    assert code in str(suite.files["journeys.py"])


@pytest.mark.parametrize("named", [None, "/openapi.json"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_document_behind_a_log_in(named: str | None, status: int):
    """A document that needs a log-in is named, with what to do about it."""

    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            peer.answer(status, b"")

    with serve(handler) as server, pytest.raises(TargetError) as caught:
        fetch(server.url, named)
    assert f"/openapi.json answers {status}: " in str(caught.value)
    assert "--openapi openapi.json" in str(caught.value.hint)


def test_a_certificate_that_is_not_trusted(tmp_path: Path):
    """A certificate that is not trusted is the reason that is given, not a service that is down."""
    tls = speaking_tls(certified(tmp_path / "key", "localhost"))
    with (
        serve(answering({}), tls) as server,
        pytest.raises(TargetError, match=r"the certificate at https://.* is not trusted") as caught,
    ):
        fetch(server.url.replace("http:", "https:"), None)
    assert "--openapi openapi.json" in str(caught.value.hint)


@pytest.mark.parametrize(
    "own", ["https://api.example.com/openapi.json", "/descriptions/openapi.json", "v2.json"]
)
def test_a_document_refers_to_itself(own: str):
    """References by the document's own URI, `$self`, lead into it (OpenAPI 3.2)."""
    item: dict[str, Any] = {"$ref": f"{own}#/components/pathItems/up"}
    parts = {"$self": own, "components": {"pathItems": {"up": PATHS["/up"]}}}
    document = Document.parse(content([], {"/up": item}, **parts), f"{SERVICE}/docs/v2.json")
    assert [(each.path, each.problem) for each in document.operations()] == [("/up", "")]


def test_a_uri_that_is_none():
    """A `$self` that is no URI is no traceback; a reference by it cannot be resolved."""
    text = content([], {"/up": {"$ref": "http://[x#/paths/y"}}, **{"$self": "http://[x"})
    (found,) = Document.parse(text, "openapi.json").operations()
    assert found.problem == "openapi.json: the reference http://[x#/paths/y leads nowhere"
