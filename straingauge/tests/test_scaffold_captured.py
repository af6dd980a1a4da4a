"""Load suites from captured requests: HAR files, curl commands and Postman collections."""

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from straingauge.cli import main
from straingauge.cli.journey_file import from_file
from straingauge.errors import UsageError
from straingauge.http import Request
from straingauge.journey import Pause, User
from straingauge.scaffold.captured import parse_curl, parse_har, parse_postman
from straingauge.scaffold.captured.secrets import Secrets, is_secret_name

HOST = "https://shop.example"
URL = "http://127.0.0.1:9"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def init(folder: Path, *arguments: object, text: str | None = None) -> Result:
    """Create a suite in a folder."""
    options = ["init", "-o", str(folder / "load"), *map(str, arguments)]
    return CliRunner().invoke(main, options, input=text)


def steps(folder: Path) -> list[Request | Pause]:
    """Return the steps of all journeys of a suite."""
    found: list[Any] = []
    for journey, _ in from_file(folder / "load" / "journeys.py").journeys.weights:
        found += journey(User(0))
    return found


def har(*entries: dict[str, Any]) -> dict[str, Any]:
    """Make a HAR file."""
    return {"log": {"version": "1.2", "entries": list(entries)}}


def entry(
    second: float,
    url: str,
    method: str = "GET",
    *,
    status: int = 200,
    sets: str = "",
    **request: Any,  # noqa: ANN401  parts of one
) -> dict[str, Any]:
    """Make an entry of a HAR file."""
    headers = [{"name": "Set-Cookie", "value": sets}] if sets else []
    return {
        "startedDateTime": f"2026-10-10T13:55:{second:06.3f}Z",
        "time": 100,
        "request": {"method": method, "url": url, "headers": [], **request},
        "response": {"status": status, "headers": headers},
    }


def written(folder: Path) -> str:
    """Return the text of all files of a suite."""
    return "".join(path.read_text() for path in sorted((folder / "load").iterdir()))


def headers(**values: str) -> list[dict[str, str]]:
    """Make headers as HAR files and Postman collections have them; both names are there."""
    return [
        {"name": name.replace("_", "-"), "key": name.replace("_", "-"), "value": value}
        for name, value in values.items()
    ]


# HAR files


def test_a_har_file_becomes_a_journey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Requests come in the order of their times with pauses; what is not used is counted."""
    cookie = {"headers": headers(Cookie="sid=abc123; lang=en", accept="text/html")}
    token = {"headers": headers(Authorization=f"Bearer {JWT}", Sec_Fetch_Mode="cors")}
    data = {
        "mimeType": "application/json",
        "text": '{"email": "a@b.example", "password": "hunter22"}',
    }
    file = tmp_path / "shop.har"
    content = har(
        entry(10.0, f"{HOST}/", sets="lang=en\nsid=x"),
        entry(14.0, f"{HOST}/login", "POST", status=201, postData=data),
        entry(10.2, "https://cdn.example/app.js"),
        entry(10.3, f"{HOST}/items/17?page=2&token=s3cr3tvalue", **cookie),
        entry(14.2, f"{HOST}/me", status=304, **token),
        entry(15.0, f"{HOST}/away", status=302),
        entry(15.1, "wss://shop.example/live", status=101),
        entry(15.2, f"{HOST}/gone", status=0),
        {"request": 3},
    )
    file.write_text(json.dumps(content))
    done = init(tmp_path, "--har", file, URL, "--writes")
    assert done.exit_code == 0, done.output
    text = written(tmp_path)
    for secret in ("abc123", "s3cr3tvalue", "hunter22", JWT, JWT[:20]):
        assert secret not in text
        assert secret not in done.output
    for name, value in {
        "LOAD_TOKEN": "own-of-query",
        "LOAD_PASSWORD": "own-of-field",
        "LOAD_TOKEN_2": "own-of-header",
    }.items():
        assert f"{name}: " in done.output
        monkeypatch.setenv(name, value)
    found = steps(tmp_path)
    requests = [each for each in found if isinstance(each, Request)]
    assert [(each.method, each.target) for each in requests] == [
        ("GET", "/"),
        ("GET", "/items/17?page=2&token=own-of-query"),
        ("POST", "/login"),
        ("GET", "/me"),
        ("GET", "/away"),
    ]
    assert requests[1].name == "GET /items/{id}"
    assert requests[1].headers == {"accept": "text/html"}
    assert json.loads(requests[2].body or b"") == {
        "email": "a@b.example",
        "password": "own-of-field",
    }
    assert requests[3].headers["Authorization"] == "Bearer own-of-header"
    assert [each.expect for each in requests[2:]] == [{201}, {200, 304}, {302}]
    assert [each.seconds for each in found if isinstance(each, Pause)] == [3.6, 0.7]
    assert "skipped     1 request to other hosts: https://cdn.example (1)" in done.output
    assert "skipped     1 request to WebSockets" in done.output
    assert "skipped     1 request without a response" in done.output
    assert "skipped     1 request not understood: no method or URL" in done.output
    assert '[endpoint."GET /items/{id}"]' in text
    assert (tmp_path / "load" / "pytest.ini").exists()


def test_reads_only_without_writes(tmp_path: Path):
    """Other methods than GET and HEAD are used only if the user asks for it."""
    file = tmp_path / "shop.har"
    file.write_text(json.dumps(har(entry(1, f"{HOST}/a"), entry(2, f"{HOST}/b", "DELETE"))))
    done = init(tmp_path, "--har", file)
    assert done.exit_code == 0
    assert "covered     GET /a\n" in done.output
    assert "skipped     1 request not GET or HEAD (include them with --writes)" in done.output
    assert f"--host {HOST}" in done.output
    assert not (tmp_path / "load" / "pytest.ini").exists()


def test_an_unknown_cookie_is_read_from_the_environment(tmp_path: Path):
    """A cookie that no captured response has set comes from the environment."""
    file = tmp_path / "shop.har"
    request = entry(1, f"{HOST}/a", headers=headers(cookie="sid=abc123"))
    file.write_text(json.dumps(har(request)))
    done = init(tmp_path, "--har", file, URL)
    assert "LOAD_COOKIE: header Cookie" in done.output
    assert "abc123" not in written(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: not valid JSON"),
        (b'{"log": {"entries": [{"request"', "line 1: not valid JSON"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        (b"[]", "is not a HAR file"),
        (b"{}", "is not a HAR file"),
        (b'{"log": {"entries": {}}}', "is not a HAR file"),
        (b'{"log": {"entries": []}}', "has no request to send"),
        (
            json.dumps(har(entry(1, f"{HOST}/\ud800"), entry(1, f"{HOST}/a", "G T"))).encode(),
            "2 not understood: characters in method or URL",
        ),
        (b'{"log": {"entries": [1, null, {}]}}', "has no request to send .3 not understood"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a": ' + b"1" * 10_000 + b"}", "not valid JSON|is not a HAR file"),
    ],
)
def test_bad_har_files(tmp_path: Path, content: bytes, message: str):
    """A file that is no HAR file is one clear error, and nothing is written."""
    file = tmp_path / "shop.har"
    file.write_bytes(content)
    done = init(tmp_path, "--har", file, URL)
    assert done.exit_code == 2, done.output
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.output
    assert not (tmp_path / "load").exists()


@given(JSON, JSON, JSON)
@settings(max_examples=60)
def test_no_value_breaks_a_reader(first: Any, second: Any, third: Any):  # noqa: ANN401  any JSON
    """Each part of a file may have any value."""
    request = {"method": "GET", "url": f"{HOST}/a"}
    for part in (
        {"method": first, "url": second},
        {**request, "headers": [first], "postData": second},
    ):
        whole = {"startedDateTime": second, "time": third, "request": part}
        with suppress(UsageError):
            parse_har(har({**whole, "response": {"status": 200, "headers": third}}, whole), "a")
    item = {"name": first, "request": {**request, "header": second, "body": third, "auth": first}}
    more = {"request": {"url": {"raw": f"{HOST}/:a", "variable": second}, "body": {"mode": first}}}
    for items in ([item, more], first):
        with suppress(UsageError):
            parse_postman({"item": items, "variable": third, "auth": second}, "a", URL)


# Secrets


@given(JSON, st.sampled_from(["password", "access_token", "api_key", "client_secret", "pin"]))
@settings(max_examples=60)
def test_a_secret_is_never_in_the_source(value: Any, name: str):  # noqa: ANN401  any JSON
    """A value with the name or the form of a secret is not in the source."""
    secret = "Sup3r-s3cret-value"
    protected = repr(
        Secrets().json("", {name: [secret, {"inner": secret}], "a": [JWT], "b": value})
    )
    assert secret not in protected
    assert JWT not in protected


def test_names_of_secrets():
    """Names of secrets are known in fields, queries and headers; those of other things are not."""
    for name in ("password", "Authorization", "X-Api-Key", "csrf", "sig", "refreshToken", "pwd"):
        assert is_secret_name(name), name
    for name in ("page", "email", "name", "Accept", "q", "id", ""):
        assert not is_secret_name(name), name


# curl


def test_a_curl_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A command as a browser copies it becomes a journey of one request."""
    command = (
        f"curl '{HOST}/orders/17?a=b%20c' \\\n  -X PUT \\\n  -H 'accept: */*' \\\n"
        "  -H 'content-type: application/json' -H 'user-agent: Mozilla' \\\n"
        "  -b 'sid=abc123' -u ann:hunter22 \\\n"
        '  --data-raw $\'{"note": "it\\\'s \\u0021", "password": "hunter22"}\' --compressed -sSL -k'
    )
    done = init(tmp_path, "--curl", "-", URL, "--writes", text=command)
    assert done.exit_code == 0, done.output
    text = written(tmp_path)
    assert "hunter22" not in text
    assert "abc123" not in text
    for name in ("LOAD_COOKIE", "LOAD_CREDENTIALS", "LOAD_PASSWORD"):
        assert f"{name}: " in done.output
        monkeypatch.setenv(name, f"own-{name}")
    (request,) = steps(tmp_path)
    assert isinstance(request, Request)
    assert (request.method, request.target) == ("PUT", "/orders/17?a=b%20c")
    assert request.name == "PUT /orders/{id}"
    assert json.loads(request.body or b"") == {"note": "it's !", "password": "own-LOAD_PASSWORD"}
    assert request.headers["Authorization"] == "Basic own-LOAD_CREDENTIALS"
    assert request.follow_redirects
    assert "straingauge run --insecure" in done.output


@pytest.mark.parametrize(
    ("command", "method", "url", "body"),
    [
        ("curl localhost:8000/a", "GET", "http://localhost:8000/a", None),
        ("curl -I http://a/b", "HEAD", "http://a/b", None),
        ("curl http://a/b -d x=1 -d y=2", "POST", "http://a/b", ("form", [("x", "1"), ("y", "2")])),
        ("curl -G http://a/b -dx=1 --data-urlencode 'y=a b'", "GET", "http://a/b?x=1&y=a+b", None),
        ("curl --url http://a/b --json '[1]'", "POST", "http://a/b", ("json", [1])),
        (
            "curl http://a/b -H 'Content-Type: text/plain' -d hi",
            "POST",
            "http://a/b",
            ("content", "hi"),
        ),
        ("/usr/bin/curl -XDELETE http://a/b#c", "DELETE", "http://a/b", None),
    ],
)
def test_options_of_curl(command: str, method: str, url: str, body: object):
    """Options have the meaning that curl gives them."""
    (request,) = parse_curl(command).requests
    assert (request.method, request.url, request.body) == (method, url, body)


def test_an_account_in_the_url_of_curl(tmp_path: Path):
    """User and password in a URL are sent as Basic, and not written."""
    done = init(tmp_path, "--curl", "curl http://ann:hunter22@127.0.0.1:9/a")
    assert done.exit_code == 0, done.output
    assert "LOAD_CREDENTIALS: Authorization" in done.output
    assert "hunter22" not in written(tmp_path) + done.output


def test_bodies_that_source_cannot_show(tmp_path: Path):
    """A body that is nested too deep is sent as text, and the suite can be read."""
    command = (
        f"curl http://127.0.0.1:9/a -H 'Content-Type: application/json' -d '{'[' * 99}{']' * 99}'"
    )
    done = init(tmp_path, "--curl", command, "--writes")
    assert done.exit_code == 0, done.output
    (request,) = steps(tmp_path)
    assert isinstance(request, Request)
    assert request.body == b"[" * 99 + b"]" * 99
    assert request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "not a curl command"),
        ("wget http://a", "not a curl command: it begins with 'wget'"),
        ("curl", "has no URL"),
        ("curl 'http://a", "cut off"),
        ("curl http://a -H", "-H has no value"),
        ("curl http://a http://b", "a second URL"),
        ("curl http://a --teleport", "'--teleport' is not understood"),
        ("curl http://a -F a=@b", "multipart forms are not understood"),
        ("curl http://a -d @file", "data in a file are not read"),
        ("curl " + "x" * 2_000_000, "more than"),
    ],
)
def test_bad_curl_commands(command: str, message: str):
    """A part that is not understood is one clear error."""
    with pytest.raises(UsageError, match=re.escape(message)):
        parse_curl(command)


@given(st.text())
@settings(max_examples=60)
def test_no_command_breaks_the_parser(text: str):
    """Any text is a command or a clear error."""
    for command in (text, f"curl {text}", f"curl http://a {text}"):
        with suppress(UsageError):
            parse_curl(command)


# Postman


def test_a_postman_collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Folders become journeys; variables, inherited credentials and bodies are understood."""
    graphql = {"mode": "graphql", "graphql": {"query": "{a}", "variables": '{"n": 1}'}}
    form = {"mode": "urlencoded", "urlencoded": headers(user="ann", password="hunter22")}
    path = {"raw": "{{baseUrl}}/items/:id", "variable": [{"key": "id", "value": "{{item}}"}]}
    items = [
        {"name": "ping", "request": "{{baseUrl}}/ping"},
        {
            "name": "Read items!",
            "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}"}]},
            "item": [
                {"request": {"method": "GET", "url": path, "header": headers(X_Trace="1")}},
                {
                    "item": [
                        {"request": {"method": "POST", "url": "{{baseUrl}}/q", "body": graphql}}
                    ]
                },
                {"request": {"method": "GET", "url": "{{baseUrl}}/a?b={{unknown}}"}},
            ],
        },
        {
            "name": "login",
            "event": [{"listen": "test"}],
            "request": {
                "method": "POST",
                "url": "{{baseUrl}}/login",
                "body": form,
                "auth": {"type": "apikey", "apikey": {"key": "Who", "value": "k3y-value"}},
            },
        },
    ]
    info = {
        "name": 'My "API"',
        "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
    }
    file = tmp_path / "api.json"
    variables = [{"key": "item", "value": "17"}]
    file.write_text(json.dumps({"info": info, "item": items, "variable": variables}))
    done = init(tmp_path, "--postman", file, URL, "--writes")
    assert done.exit_code == 0, done.output
    assert "hunter22" not in written(tmp_path)
    assert "k3y-value" not in written(tmp_path)
    for name in ("LOAD_TOKEN", "LOAD_PASSWORD", "LOAD_WHO"):
        assert f"{name}: " in done.output
        monkeypatch.setenv(name, f"own-{name}")
    assert "scripts of the collection are not run" in done.output
    assert "skipped     1 request with the unknown variable unknown" in done.output
    suite = from_file(tmp_path / "load" / "journeys.py")
    names = [journey.__name__ for journey, _ in suite.journeys.weights]
    assert names == ["requests", "read_items"]
    requests = [each for each in steps(tmp_path) if isinstance(each, Request)]
    assert [(each.method, each.target) for each in requests] == [
        ("GET", "/ping"),
        ("POST", "/login"),
        ("GET", "/items/17"),
        ("POST", "/q"),
    ]
    assert requests[1].body == b"user=ann&password=own-LOAD_PASSWORD"
    assert requests[1].headers["Who"] == "own-LOAD_WHO"
    assert requests[2].headers["Authorization"] == "Bearer own-LOAD_TOKEN"
    assert requests[2].headers["X-Trace"] == "1"
    assert json.loads(requests[3].body or b"") == {"query": "{a}", "variables": {"n": 1}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "is not a Postman collection"),
        ({"info": {"schema": "https://schema/v1.0.0/"}, "item": []}, "is not a Postman collection"),
        ({"item": []}, "has no request to send"),
        ({"item": [{"request": {"url": "{{a}}/b{{c}}"}}]}, "1 with the unknown variable c"),
        (
            {"item": [{"request": "{{b}}x"}], "variable": [{"key": "b", "value": "{{b}}"}]},
            "with the unknown variable b",
        ),
    ],
)
def test_bad_collections(content: dict[str, Any], message: str):
    """Another file, or a collection without requests, is one clear error."""
    with pytest.raises(UsageError, match=message):
        parse_postman(content, "api.json", URL)


def test_variables_in_bodies_and_urls_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A password may be a variable without a value; a secret one is not written anywhere."""
    raw = '{"password": "{{unknown}}", "note": "by {{who}}", "n": {{count}}}'
    url = {"protocol": "http", "host": ["127", "0", "0", "1"], "port": "9", "path": ["a", "b"]}
    url["query"] = [{"key": "q", "value": "x-{{mark}}"}, {"key": "off", "disabled": True}]
    body = {"mode": "raw", "raw": raw.replace("{{count}}", "3")}
    items = [
        {
            "request": {
                "method": "POST",
                "url": url,
                "body": body,
                "header": headers(Content_Type="application/json"),
            }
        },
        {"request": {"method": "GET", "url": "{{base}}/of/{{mark}}/c"}},
    ]
    variables = [
        {"key": "who", "value": "ann"},
        {"key": "mark", "value": "z9z9z9", "type": "secret"},
    ]
    file = tmp_path / "api.json"
    file.write_text(json.dumps({"item": items, "variable": variables}))
    done = init(tmp_path, "--postman", file, URL, "--writes")
    assert done.exit_code == 0, done.output
    assert "z9z9z9" not in written(tmp_path) + done.output
    assert "skipped     1 request with a secret in the path" in done.output
    monkeypatch.setenv("LOAD_PASSWORD", "own-of-field")
    monkeypatch.setenv("LOAD_Q", "own-of-query")
    (request,) = steps(tmp_path)
    assert isinstance(request, Request)
    assert request.target == "/a/b?q=own-of-query"
    assert json.loads(request.body or b"") == {
        "password": "own-of-field",
        "note": "by ann",
        "n": 3,
    }


# The command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the URL of the service"),
        (["--har", "a.har", "--curl", "curl x"], "a suite has one"),
        (["--har", "a.har", "--openapi", "/openapi.json"], "a suite has one"),
        (["--har", "none.har"], "cannot be read"),
        (["--curl", "curl -XPOST http://127.0.0.1:9/a"], "no request is left to send"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], message: str):
    """A suite has one source, which can be read and has requests."""
    done = init(tmp_path, *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "load").exists()
