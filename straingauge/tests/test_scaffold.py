import ast
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
from click.testing import CliRunner, Result
from raw_server import answering, serve
from straingauge.cli import main
from straingauge.cli.scenario import from_file
from straingauge.errors import UsageError
from straingauge.journey import User
from straingauge.scaffold import Document, Scaffold, scaffold, write
from straingauge.scaffold.operation import operations
from straingauge.scaffold.values import blanks, fitting
from straingauge.target.ports import free_port

EXAMPLE = Path(__file__).parents[1] / "examples" / "bookshelf"
OK = {"200": {"description": "fine"}}
AT_ONCE = ("GET /ready", "GET /books", "GET /books/{isbn}")


@pytest.fixture(scope="module")
def bookshelf() -> Iterator[str]:
    """The example service's address."""
    command = [sys.executable, str(EXAMPLE / "service.py"), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().split()[-1]
        process.kill()


def straingauge(*arguments: object) -> Result:
    """The command as a user starts it."""
    return CliRunner().invoke(main, [*map(str, arguments)])


def document(paths: dict[str, Any], **parts: Any) -> Document:  # noqa: ANN401  parts of one
    """A document with these paths."""
    content = {"openapi": "3.0.3", "info": {"title": "A service"}, "paths": paths, **parts}
    return Document.parse(json.dumps(content), "here")


def drafted(paths: dict[str, Any], *, writes: bool = False, **parts: Any) -> Scaffold:  # noqa: ANN401
    """The suite for a document with these paths."""
    found = document(paths, **parts)
    return scaffold(found, "http://localhost:1", Path("load"), here=True, writes=writes)


def names(made: Scaffold) -> list[str]:
    """The endpoints that are called."""
    return [operation.name for operation in made.mixed]


def test_a_suite_runs_at_once(bookshelf: str, tmp_path: Path):
    """From nothing but the address: what was written is a load, and all its endpoints answer."""
    folder = tmp_path / "load"
    written = straingauge("init", bookshelf, "-o", folder)
    assert written.exit_code == 0, written.output
    assert f"covered     {', '.join(AT_ONCE)}" in written.output
    assert "skipped     POST /loans: it changes data (include it with --writes)" in written.output
    command = [Path(sys.executable).with_name("straingauge"), "run", folder / "journeys.py"]
    ran = subprocess.run(
        [*map(str, command), "--host", bookshelf, "--duration", "500ms", "--users", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    (file,) = (folder / "results").iterdir()
    result = json.loads(file.read_text())
    assert set(result["endpoints"]) == set(AT_ONCE), ran.stdout + ran.stderr
    assert result["metrics"]["error_rate_percent"] == 0
    tests = ast.parse((folder / "test_load.py").read_text())
    assert any(isinstance(node, ast.FunctionDef) for node in tests.body)
    assert (folder / "pytest.ini").read_text() == f"[pytest]\naddopts = --load-host {bookshelf}\n"


def test_the_example_is_in_order(bookshelf: str):
    """The example service and the suite beside it fit: doctor finds each journey's answer right."""
    answer = straingauge("doctor", EXAMPLE / "journeys.py", "--host", bookshelf, "--json")
    states = {line["check"]: line["state"] for line in json.loads(answer.output)}
    checks = ("service", "role", "data", "journeys", "limits")
    assert {check: states[check] for check in checks} == dict.fromkeys(checks, "ok")


def test_nothing_is_overwritten(bookshelf: str, tmp_path: Path):
    """If one of the files exists, none is written."""
    (tmp_path / "thresholds.toml").write_text("mine")
    answer = straingauge("init", bookshelf, "-o", tmp_path)
    assert answer.exit_code == 2
    assert "thresholds.toml: already exists" in answer.output
    assert [file.name for file in tmp_path.iterdir()] == ["thresholds.toml"]


def test_a_suite_is_written_whole_or_not_at_all(tmp_path: Path):
    """A disk that is full in the middle leaves no half of a suite, which would be in the way."""
    made = drafted({"/": {"get": {"responses": OK}}})
    full = dataclasses.replace(made, files={"journeys.py": "", "no/such/folder": ""})
    with pytest.raises(UsageError, match="cannot be written: No such file or directory"):
        write(full, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"openapi: 3.0.0", 2, "not JSON"),
        (b'{"swagger": "2.0"}', 2, "Swagger 2.0; OpenAPI 3 is required"),
        (b'{"openapi": "3.1.0", "paths": {}}', 2, "has no paths"),
        (b'{"openapi": "3.1.0", "paths": {"/": {"$ref": "#/x"}}}', 2, "#/x leads nowhere"),
        (b'{"openapi": "3.1.0", "paths": {"/": {"$ref": "b.json"}}}', 2, "cannot be resolved"),
        (b"[]", 2, "not an OpenAPI document"),
    ],
)
def test_what_is_no_document_is_refused(tmp_path: Path, body: bytes, code: int, message: str):
    """A document of another kind, or a broken one, is one clear line, and nothing is written."""
    with serve(answering(body=body)) as server:
        answer = straingauge("init", server.url, "-o", tmp_path / "load")
    assert (answer.exit_code, "Traceback" in answer.output) == (code, False)
    assert message in answer.output
    assert not (tmp_path / "load").exists()


def test_a_service_without_a_document_is_told(tmp_path: Path):
    """Without a document or a response the exit code is 3, and a file can be given."""
    with serve(answering(status=404)) as server:
        answer = straingauge("init", server.url, "-o", tmp_path / "load")
        named = straingauge(
            "init", server.url, "--openapi", EXAMPLE / "openapi.json", "-o", tmp_path
        )
    assert answer.exit_code == 3
    assert "serves no OpenAPI document at /openapi.json" in answer.output
    assert named.exit_code == 0, named.output
    silent = straingauge("init", f"http://127.0.0.1:{free_port()}", "-o", tmp_path / "load")
    assert silent.exit_code == 3
    assert "nothing responds" in silent.output


def test_what_is_not_known_raises_and_is_skipped(tmp_path: Path):
    """An unknown id and a body of bytes become blanks that say what is missing."""
    one = {
        "name": "id",
        "in": "path",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
    upload = {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}
    made = drafted(
        {
            "/up": {"get": {"responses": OK}},
            "/things/{id}": {"get": {"operationId": "thing", "parameters": [one], "responses": OK}},
            "/image": {"put": {"operationId": "image", "requestBody": upload, "responses": OK}},
        },
        writes=True,
    )
    assert names(made) == ["GET /up"]
    assert [reason for _, reason in made.skipped] == [
        "unknown: id of GET /things/{id}",
        "unknown: the body of PUT /image (image/png)",
    ]
    file = tmp_path / "journeys.py"
    file.write_text(made.files["journeys.py"])
    for name, what in (("thing", "id of GET /things/{id}"), ("image", "the body of PUT /image")):
        ((journey, _),) = from_file(file, [name]).journeys.weights
        with pytest.raises(UsageError, match="does not give") as error:
            next(journey(User(0)))
        assert what in str(error.value)


def test_where_nothing_can_be_called_the_suite_says_so():
    """A document that tells too little of everything still makes a suite, of blanks."""
    one = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    made = drafted({"/things/{id}": {"get": {"parameters": [one], "responses": OK}}})
    assert names(made) == ["GET /things/{id}"]
    assert "fill_in(" in made.files["journeys.py"]


def test_names_are_such_as_python_allows():
    """Operations called like keywords, like each other or like nothing become journeys."""
    told = ("class", "1st", "getItem", "get-item", "log_in", "", 'say "hi"', "größe")
    paths = {
        f"/{number}": {"get": {"operationId": name, "summary": f'{name} """ \\', "responses": OK}}
        for number, name in enumerate(told)
    }
    made = drafted(paths)
    code = ast.parse(made.files["journeys.py"])
    functions = [node.name for node in code.body if isinstance(node, ast.FunctionDef)]
    assert len(set(functions)) == len(functions) == len(told)
    assert all(name.isidentifier() for name in functions)
    assert len(names(made)) == len(told)


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
            "user.headers['X-Key'] = ",
        ),
        (
            {"type": "oauth2", "flows": {"password": {"tokenUrl": "token", "scopes": {}}}},
            ("API_USERNAME", "API_PASSWORD"),
            "user.post('/token', form=form)",
        ),
        ({"type": "mutualTLS"}, (), "fill_in('how a user logs in (the document requires mutualTLS"),
    ],
)
def test_who_has_to_log_in_does(scheme: dict[str, Any], settings: tuple[str, ...], code: str):
    """Of each way to authorize there is a log-in, whose secrets come from the environment."""
    made = drafted(
        {"/": {"get": {"responses": OK}}},
        security=[{"it": []}],
        components={"securitySchemes": {"it": scheme}},
    )
    assert tuple(made.settings) == settings
    assert code in made.files["journeys.py"]
    ast.parse(made.files["journeys.py"])


def test_a_setting_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without its environment variable a log-in says which, before anything is sent."""
    monkeypatch.delenv("API_TOKEN", raising=False)
    made = drafted(
        {"/": {"get": {"responses": OK}}},
        security=[{"it": []}],
        components={"securitySchemes": {"it": {"type": "http", "scheme": "bearer"}}},
    )
    file = tmp_path / "journeys.py"
    file.write_text(made.files["journeys.py"])
    log_in = from_file(file).log_in
    assert log_in is not None
    with pytest.raises(UsageError, match="API_TOKEN is not set"):
        next(log_in(User(0)))


def test_an_operation_that_asks_for_nothing_needs_no_log_in():
    """A public operation of a protected service is called without credentials."""
    made = drafted(
        {"/": {"get": {"security": [], "responses": OK}}},
        security=[{"it": []}],
        components={"securitySchemes": {"it": {"type": "http", "scheme": "bearer"}}},
    )
    assert "log_in" not in made.files["journeys.py"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "minimum": 7, "maximum": 9},
        {"type": "integer", "exclusiveMinimum": 7, "multipleOf": 5},
        {"type": "number", "maximum": -1},
        {"type": "string", "minLength": 9, "maxLength": 10},
        {"type": "string", "maxLength": 2},
        {"type": "string", "format": "uuid"},
        {"type": ["null", "boolean"]},
        {"enum": ["a", "b"]},
        {"const": 4},
        {"type": "array", "minItems": 2, "items": {"type": "string"}},
        {"anyOf": [{"type": "null"}, {"type": "integer"}]},
        {
            "allOf": [
                {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
                {"required": ["b"], "properties": {"b": {"enum": [False]}}},
            ]
        },
    ],
)
def test_values_fit_their_schemas(schema: dict[str, Any]):
    """Invented values conform to the schema, according to a library."""
    value = fitting(schema, document({"/": {}}), "it")
    assert not blanks(value)
    fastjsonschema.validate(schema, value)


@pytest.mark.parametrize("schema", [{}, {"type": "string", "pattern": "^[a-f]{3}$"}, True])
def test_what_cannot_be_made_up_is_a_blank(schema: object):
    """No value is invented for a schema that allows anything, or that has a pattern."""
    assert [blank.what for blank in blanks(fitting(schema, document({"/": {}}), "it"))] == ["it"]


def test_a_schema_within_itself_ends():
    """A tree's schema, which contains itself, makes a blank and no endless value."""
    tree = {"type": "object", "required": ["of"], "properties": {"of": {"$ref": "#/components/t"}}}
    found = document({"/": {}}, components={"t": tree})
    assert len(blanks(fitting(tree, found, "it"))) == 1


def test_examples_of_the_document_come_first():
    """A parameter's example, a body's example and a default are taken as they are."""
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
    made = drafted({"/{e}": {"post": post}}, writes=True)
    (operation,) = operations(document({"/{e}": {"post": post}}))
    assert operation.params == {"a": 3, "b": [1]}
    assert operation.headers == {"X-D": "4"}
    code = made.files["journeys.py"]
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
def test_paths_are_the_servers(server: dict[str, Any], path: str):
    """The base path of the document's server is used with the user's host."""
    assert names(drafted({"/up": {"get": {"responses": OK}}}, servers=[server])) == [f"GET {path}"]


def test_each_method_is_asked_by_its_name(tmp_path: Path):
    """Whatever the method is, the journey sends it, with the body or without."""
    methods = ("get", "head", "post", "put", "patch", "delete")
    item = {method: {"operationId": f"by_{method}", "responses": OK} for method in methods}
    made = drafted({"/": item}, writes=True)
    file = tmp_path / "journeys.py"
    file.write_text(made.files["journeys.py"])
    sent = [next(journey(User(0))) for journey, _ in from_file(file).journeys.weights]
    assert [request.method for request in sent] == [method.upper() for method in methods]
    assert {request.body for request in sent} == {None}


def test_a_stream_is_skipped():
    """An answer that never ends is no journey."""
    responses = {"200": {"description": "events", "content": {"text/event-stream": {}}}}
    made = drafted({"/": {"get": {"responses": OK}}, "/events": {"get": {"responses": responses}}})
    assert names(made) == ["GET /"]


def test_another_machine_is_not_named_for_good():
    """For a service elsewhere no file says that it may be put under load: people do, each time."""
    found = document({"/": {"get": {"responses": OK}}})
    made = scaffold(found, "http://elsewhere.example", Path("load"), here=False, writes=False)
    assert "pytest.ini" not in made.files
