import ast
import builtins
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from raw_server import answering, serve
from straingauge.cli import main
from straingauge.cli.journey_file import SPECIAL, from_file
from straingauge.errors import UsageError
from straingauge.journey import User
from straingauge.scaffold import Document, Scaffold, scaffold, write
from straingauge.scaffold.operation import operations
from straingauge.target.ports import free_port

EXAMPLE = Path(__file__).parents[1] / "examples" / "bookshelf"
OK = {"200": {"description": "fine"}}
ENDPOINTS = ("GET /ready", "GET /books", "GET /books/{isbn}")


@pytest.fixture(scope="module")
def bookshelf() -> Iterator[str]:
    """Start the example service and return its URL."""
    command = [sys.executable, str(EXAMPLE / "service.py"), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().split()[-1]
        process.kill()


def straingauge(*arguments: object) -> Result:
    """Run straingauge."""
    return CliRunner().invoke(main, [*map(str, arguments)])


def document(paths: dict[str, Any], **parts: Any) -> Document:  # noqa: ANN401  parts of one
    """Return a document with these paths."""
    content = {"openapi": "3.0.3", "info": {"title": "A service"}, "paths": paths, **parts}
    return Document.parse(json.dumps(content), "here")


def suite_of(paths: dict[str, Any], *, writes: bool = False, **parts: Any) -> Scaffold:  # noqa: ANN401
    """Return the suite for a document with these paths."""
    found = document(paths, **parts)
    return scaffold(found, "http://localhost:1", Path("load"), here=True, writes=writes)


def names(suite: Scaffold) -> list[str]:
    """Return the endpoints that the suite calls."""
    return [operation.name for operation in suite.mixed]


@pytest.mark.e2e
def test_a_suite_runs_without_edits(bookshelf: str, tmp_path: Path):
    """A suite made from just a URL runs, and all its endpoints respond successfully."""
    folder = tmp_path / "load"
    written = straingauge("init", bookshelf, "-o", folder)
    assert written.exit_code == 0, written.output
    assert f"covered     {', '.join(ENDPOINTS)}" in written.output
    assert "skipped     POST /loans: it changes data (include it with --writes)" in written.output
    command = [Path(sys.executable).with_name("straingauge"), "run", folder / "journeys.py"]
    run = subprocess.run(
        [*map(str, command), "--host", bookshelf, "--duration", "500ms", "--users", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    (file,) = (folder / "results").iterdir()
    result = json.loads(file.read_text())
    assert set(result["endpoints"]) == set(ENDPOINTS), run.stdout + run.stderr
    assert result["metrics"]["error_rate_percent"] == 0
    tests = ast.parse((folder / "test_load.py").read_text())
    assert any(isinstance(node, ast.FunctionDef) for node in tests.body)
    assert f"\naddopts = --load-host {bookshelf}\n" in (folder / "pytest.ini").read_text()


def test_the_example_passes_doctor(bookshelf: str):
    """Doctor finds no problem with the example service and its suite."""
    done = straingauge("doctor", EXAMPLE / "journeys.py", "--host", bookshelf, "--json")
    states = {line["check"]: line["state"] for line in json.loads(done.output)}
    checks = ("service", "role", "data", "journeys", "limits")
    assert {check: states[check] for check in checks} == dict.fromkeys(checks, "ok")


def test_nothing_is_overwritten(bookshelf: str, tmp_path: Path):
    """If one of the files exists, none is written."""
    (tmp_path / "thresholds.toml").write_text("mine")
    done = straingauge("init", bookshelf, "-o", tmp_path)
    assert done.exit_code == 2
    assert "thresholds.toml: already exists" in done.output
    assert [file.name for file in tmp_path.iterdir()] == ["thresholds.toml"]


def test_a_suite_is_written_completely_or_not_at_all(tmp_path: Path):
    """If a file cannot be written, those written before it are removed."""
    suite = suite_of({"/": {"get": {"responses": OK}}})
    full = dataclasses.replace(suite, files={"journeys.py": "", "no/such/folder": ""})
    with pytest.raises(UsageError, match="cannot be written: No such file or directory"):
        write(full, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"openapi: 3.0.0", 2, "has no paths"),
        (b'{"openapi": "3.0.0",', 2, "not JSON"),
        (b"openapi: [3", 2, "neither JSON nor YAML"),
        (b'{"swagger": "2.0"}', 2, "Swagger 2.0; OpenAPI 3 is required"),
        (b'{"openapi": "3.1.0", "paths": {}}', 2, "has no paths"),
        (b'{"openapi": "3.1.0", "paths": {"/": {"$ref": "#/x"}}}', 2, "#/x leads nowhere"),
        (b'{"openapi": "3.1.0", "paths": {"/": {"$ref": "b.json"}}}', 2, "cannot be resolved"),
        (b"[]", 2, "not an OpenAPI document"),
    ],
)
def test_an_invalid_document_is_refused(tmp_path: Path, body: bytes, code: int, message: str):
    """An invalid document is an error in one line, and nothing is written."""
    with serve(answering(body=body)) as server:
        done = straingauge("init", server.url, "-o", tmp_path / "load")
    assert (done.exit_code, "Traceback" in done.output) == (code, False)
    assert message in done.output
    assert not (tmp_path / "load").exists()


def test_a_service_without_a_document(tmp_path: Path):
    """Without a document or a response the exit code is 3; --openapi reads a file instead."""
    with serve(answering(status=404)) as server:
        done = straingauge("init", server.url, "-o", tmp_path / "load")
        with_file = straingauge(
            "init", server.url, "--openapi", EXAMPLE / "openapi.json", "-o", tmp_path
        )
    assert done.exit_code == 3
    assert "serves no OpenAPI document at /openapi.json" in done.output
    assert with_file.exit_code == 0, with_file.output
    unreachable = straingauge("init", f"http://127.0.0.1:{free_port()}", "-o", tmp_path / "load")
    assert unreachable.exit_code == 3
    assert "nothing responds" in unreachable.output


def test_operations_with_unknown_values_are_skipped(tmp_path: Path):
    """An unknown id or a binary body becomes a placeholder that raises with what is missing."""
    id_ = {
        "name": "id",
        "in": "path",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
    upload = {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}
    suite = suite_of(
        {
            "/up": {"get": {"responses": OK}},
            "/things/{id}": {"get": {"operationId": "thing", "parameters": [id_], "responses": OK}},
            "/image": {"put": {"operationId": "image", "requestBody": upload, "responses": OK}},
        },
        writes=True,
    )
    assert names(suite) == ["GET /up"]
    assert [reason for _, reason in suite.skipped] == [
        "unknown: id of GET /things/{id}",
        "it may change data that its journey did not create",
    ]
    file = tmp_path / "journeys.py"
    file.write_text(suite.files["journeys.py"])
    for name, missing in (("thing", "id of GET /things/{id}"), ("image", "the body of PUT /image")):
        ((journey, _),) = from_file(file, [name]).journeys.weights
        with pytest.raises(UsageError, match="does not give") as error:
            next(journey(User(0)))
        assert missing in str(error.value)


def test_a_suite_of_placeholders_only():
    """If every operation lacks values, the suite consists of placeholders."""
    id_ = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    suite = suite_of({"/things/{id}": {"get": {"parameters": [id_], "responses": OK}}})
    assert names(suite) == ["GET /things/{id}"]
    assert "fill_in(" in suite.files["journeys.py"]


def test_journey_names_are_valid_and_unique():
    """Keywords, duplicates and empty operation ids become valid, unique function names."""
    operation_ids = (
        "class",
        "1st",
        "getItem",
        "get-item",
        "log_in",
        "",
        'say "hi"',
        "größe",
        "list",
        "basic",
        "tearDown",
    )
    paths = {
        f"/{number}": {"get": {"operationId": name, "summary": f'{name} """ \\', "responses": OK}}
        for number, name in enumerate(operation_ids)
    }
    suite = suite_of(paths)
    code = ast.parse(suite.files["journeys.py"])
    functions = [node.name for node in code.body if isinstance(node, ast.FunctionDef)]
    assert len(set(functions)) == len(functions) == len(operation_ids)
    assert all(name.isidentifier() for name in functions)
    assert not {*functions} & {*dir(builtins), *SPECIAL, "basic"}
    assert len(names(suite)) == len(operation_ids)


@pytest.mark.parametrize(
    ("scheme", "settings", "code"),
    [
        ({"type": "http", "scheme": "bearer"}, ("API_TOKEN",), "user.authorize("),
        (
            {"type": "http", "scheme": "basic"},
            ("API_USERNAME", "API_PASSWORD"),
            '"Basic " + base64.b64encode',
        ),
        (
            {"type": "apiKey", "in": "header", "name": "X-Key"},
            ("API_KEY",),
            'user.headers["X-Key"] = ',
        ),
        (
            {"type": "oauth2", "flows": {"password": {"tokenUrl": "token", "scopes": {}}}},
            ("API_USERNAME", "API_PASSWORD"),
            'user.post("/token", form=form)',
        ),
        ({"type": "mutualTLS"}, (), "Send a client certificate: --client-cert PEM."),
        ({"type": "http", "scheme": "Digest"}, (), "the document requires HTTP digest"),
        (
            {"type": "apiKey", "in": "header", "name": "no header"},
            (),
            "fill_in(\"how a user logs in (the document requires apiKey 'no header' in header",
        ),
    ],
)
def test_security_schemes_have_a_log_in(
    scheme: dict[str, Any], settings: tuple[str, ...], code: str
):
    """Each kind of security scheme gets a log-in that reads its secrets from the environment."""
    suite = suite_of(
        {"/": {"get": {"responses": OK}}},
        security=[{"it": []}],
        components={"securitySchemes": {"it": scheme}},
    )
    assert tuple(suite.settings) == settings
    assert code in suite.files["journeys.py"]
    ast.parse(suite.files["journeys.py"])


def test_a_setting_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A log-in without its environment variable names it, before anything is sent."""
    monkeypatch.delenv("API_TOKEN", raising=False)
    suite = suite_of(
        {"/": {"get": {"responses": OK}}},
        security=[{"it": []}],
        components={"securitySchemes": {"it": {"type": "http", "scheme": "bearer"}}},
    )
    file = tmp_path / "journeys.py"
    file.write_text(suite.files["journeys.py"])
    log_in = from_file(file).log_in
    assert log_in is not None
    with pytest.raises(UsageError, match="API_TOKEN is not set"):
        next(log_in(User(0)))


def test_a_public_operation_needs_no_log_in():
    """A public operation of a protected service is called without credentials."""
    suite = suite_of(
        {"/": {"get": {"security": [], "responses": OK}}},
        security=[{"it": []}],
        components={"securitySchemes": {"it": {"type": "http", "scheme": "bearer"}}},
    )
    assert "log_in" not in suite.files["journeys.py"]


def test_examples_and_defaults_are_used():
    """Examples of parameters and bodies, and defaults, are used unchanged."""
    parameters = [
        {"name": "a", "in": "query", "required": True, "schema": {"default": 3}},
        {"name": "b", "in": "query", "required": True, "examples": {"one": {"value": [1]}}},
        {"name": "c", "in": "query", "schema": {"type": "string"}},
        {"name": "X-D", "in": "header", "required": True, "example": 4},
        {"name": "e", "in": "path", "required": True, "example": "a b/c"},
    ]
    body = {"content": {"application/json": {"example": {"x": None, "y": ["ü"]}}}}
    responses = {"201": {"description": "made"}, "202": {"description": "will be"}, "404": {}}
    post = {"parameters": parameters, "requestBody": body, "responses": responses}
    suite = suite_of({"/{e}": {"post": post}}, writes=True)
    (operation,) = operations(document({"/{e}": {"post": post}}))
    assert operation.params == {"a": 3, "b": [1]}
    assert operation.headers == {"X-D": "4"}
    code = suite.files["journeys.py"]
    assert '"/a%20b%2Fc"' in code
    assert 'json={"x": None, "y": ["ü"]}' in code
    assert "expect=[201, 202]" in code


@pytest.mark.parametrize(
    ("server", "path"),
    [
        ({"url": "https://elsewhere.example/api/"}, "/api/up"),
        ({"url": "/"}, "/up"),
        (
            {
                "url": "{host}/v{n}",
                "variables": {"host": {"default": "http://x"}, "n": {"default": "2"}},
            },
            "/v2/up",
        ),
    ],
)
def test_paths_have_the_base_path_of_the_server(server: dict[str, Any], path: str):
    """The base path of the document's server is combined with the user's host."""
    assert names(suite_of({"/up": {"get": {"responses": OK}}}, servers=[server])) == [f"GET {path}"]


def test_each_method_is_sent(tmp_path: Path):
    """Journeys send each HTTP method, with or without a body."""
    methods = ("get", "head", "post", "put", "patch", "delete")
    item = {method: {"operationId": f"by_{method}", "responses": OK} for method in methods}
    suite = suite_of({"/": item}, writes=True)
    file = tmp_path / "journeys.py"
    file.write_text(suite.files["journeys.py"])
    chosen = from_file(file, [f"by_{method}" for method in methods]).journeys.weights
    sent = [next(journey(User(0))) for journey, _ in chosen]
    assert [request.method for request in sent] == [method.upper() for method in methods]
    assert {request.body for request in sent} == {None}


def test_a_stream_is_skipped():
    """A response that never ends, such as an event stream, is skipped."""
    responses = {"200": {"description": "events", "content": {"text/event-stream": {}}}}
    suite = suite_of(
        {"/": {"get": {"responses": OK}}, "/events": {"get": {"responses": responses}}}
    )
    assert names(suite) == ["GET /"]


def test_no_file_allows_load_on_another_machine():
    """For a service on another machine no file sets --load-host."""
    found = document({"/": {"get": {"responses": OK}}})
    suite = scaffold(found, "http://elsewhere.example", Path("load"), here=False, writes=False)
    assert "--load-host" not in "".join(map(str, suite.files.values()))
