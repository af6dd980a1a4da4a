import json
from pathlib import Path

import pytest
from raw_server import Handler, Peer, certified, hang_up, saying, serve, speaking_tls
from straingauge.errors import TargetError
from straingauge.scaffold import Document, fetch

DOCUMENT = json.dumps(
    {"openapi": "3.0.0", "info": {"title": "t"}, "paths": {"/up": {"get": {"responses": {}}}}}
).encode()
YAML = b"""
openapi: 3.0.0
paths:
  /up:
    get:
      parameters:
        - {name: on, in: query, required: true, example: no}
        - {name: day, in: query, required: true, example: 2026-01-02}
        - {name: nr, in: query, required: true, example: 007}
      responses:
        200: {description: fine}
"""
HTML = b"<!doctype html><title>app</title>"


def pages(known: dict[str, bytes], other: tuple[int, bytes] = (404, b"")) -> Handler:
    """Answer these paths, and all others alike."""

    def handler(peer: Peer) -> None:
        while (exchange := peer.read()) is not None:
            path = exchange.target.partition("?")[0]
            status, content = (200, known[path]) if path in known else other
            peer.answer(status, content)

    return handler


@pytest.mark.parametrize(
    "path",
    [
        *("/openapi.json", "/api/v1/openapi.json", "/swagger.json", "/docs/json", "/docs-json"),
        *("/apispec.json", "/api/schema/", "/v3/api-docs", "/openapi.yaml"),
        "/v1/__api__",
    ],
)
def test_usual_paths_are_searched(path: str):
    """The document is found at each usual path, also if all others answer with HTML."""
    with serve(pages({path: DOCUMENT}, (200, HTML))) as server:
        assert fetch(server.url, None).source == server.url + path


@pytest.mark.parametrize(
    ("page", "content"),
    [
        ("/docs", b"SwaggerUIBundle({ url: '/hidden/spec', dom_id: '#x' })"),
        ("/redoc", b'<redoc spec-url="hidden/spec"></redoc>'),
        ("/swagger-ui/", b'const ui = {"url":"\\/hidden\\/spec"}'),
        ("/", b'<script id="api-reference" data-url="/hidden/spec"></script>'),
    ],
)
def test_a_documentation_page_names_the_document(page: str, content: bytes):
    """The URL that a documentation page names is followed, at the service only."""
    foreign = b'{"url": "https://example.com/openapi.json"}'
    known = {page: HTML + foreign + content, "/hidden/spec": DOCUMENT}
    with serve(pages(known)) as server:
        assert fetch(server.url, None).source == server.url + "/hidden/spec"


def test_a_mounted_application_has_the_base_path_of_its_document():
    """Paths of a document without servers begin where they respond."""
    with serve(pages({"/api/openapi.json": DOCUMENT, "/api/up": b"{}"})) as server:
        assert [each.path for each in fetch(server.url, None).operations()] == ["/api/up"]
    with serve(pages({"/api/openapi.json": DOCUMENT, "/up": b"{}"})) as server:
        assert [each.path for each in fetch(server.url, None).operations()] == ["/up"]


@pytest.mark.parametrize("other", [(404, b""), (200, HTML)], ids=["404", "single-page application"])
def test_a_document_at_the_root_may_describe_an_application_below_it(other: tuple[int, bytes]):
    """A document at the root gets the usual base path below which its paths respond."""
    with serve(pages({"/openapi.json": DOCUMENT, "/api/up": b"{}"}, other)) as server:
        assert [each.path for each in fetch(server.url, None).operations()] == ["/api/up"]
    with serve(pages({"/openapi.json": DOCUMENT}, other)) as server:
        assert [each.path for each in fetch(server.url, None).operations()] == ["/up"]


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch):
    """The service is asked directly, as the load is sent."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serve(pages({"/openapi.json": DOCUMENT})) as server:
        assert fetch(server.url, None).source == server.url + "/openapi.json"


@pytest.mark.parametrize(
    "said",
    [
        b"\x15\x03\x01\x00\x02\x02F",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 301 Moved\r\nLocation: https://example.com/\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_answers_that_are_no_document(said: bytes):
    """Bytes that are not HTTP, a response that is cut short, and a foreign redirect are errors."""
    with serve(saying(said)) as server, pytest.raises(TargetError):
        fetch(server.url, None)


def test_http_at_a_tls_port(tmp_path: Path):
    """A TLS port that is asked without TLS is an error in one sentence."""
    tls = speaking_tls(certified(tmp_path / "key", "localhost"))
    with serve(hang_up, tls) as server, pytest.raises(TargetError):
        fetch(server.url.replace("https:", "http:"), None)


def test_yaml_has_the_types_of_json():
    """YAML is read by its version 1.2: words and dates remain strings, keys are strings."""
    ((found,)) = Document.parse(YAML, "here").operations()
    values = [each["example"] for each in found.content["parameters"]]
    assert (values, [*found.content["responses"]]) == (["no", "2026-01-02", 7], ["200"])
    assert found.content["parameters"][0]["name"] == "on"


@pytest.mark.parametrize(
    ("pointer", "leads_to"),
    [
        ("#/components/schemas/Page%3COrder%3E", {"type": "integer"}),
        ("#/paths/~1orders~1%7Bid%7D/get", {"x": 1}),
        ("#/components/list/1", 2),
        ("openapi.json#/components/list/0", 1),
    ],
)
def test_references_are_json_pointers(pointer: str, leads_to: object):
    """A pointer is percent-decoded, and leads into arrays and into paths."""
    content = {
        "openapi": "3.0.0",
        "paths": {"/orders/{id}": {"get": {"x": 1}}},
        "components": {"schemas": {"Page<Order>": {"type": "integer"}}, "list": [1, 2]},
    }
    document = Document.parse(json.dumps(content), "http://localhost/openapi.json")
    assert document.resolved({"$ref": pointer}) == leads_to
