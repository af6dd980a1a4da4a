"""Load suites from Postman collections."""

import json
from pathlib import Path
from typing import Any

import pytest
from captured_suites import URL, headers, init, steps, written
from straingauge.cli.journey_file import from_file
from straingauge.errors import UsageError
from straingauge.http import Request
from straingauge.scaffold.captured import parse_postman


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


def test_values_of_an_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An environment fills in variables before the collection; its secrets are not written."""
    body = {"mode": "raw", "raw": '{"id": "{{$guid}}", "at": {{$timestamp}}}'}
    hidden = headers(X_Tenant="{{tenant}}", X_Trace="{{trace}}")
    url = "{{baseUrl}}/{{profile}}/items"
    request = {"method": "POST", "url": url, "header": hidden, "body": body}
    off = {"request": "{{baseUrl}}/{{off}}"}
    variables = [{"key": "profile", "value": "old"}, {"key": "trace", "value": "t1"}]
    content = {"item": [{"request": request}, off], "variable": variables}
    values = [
        {"key": "profile", "value": "17", "enabled": True},
        {"key": "tenant", "value": "t3nant-s3cret", "type": "secret", "enabled": True},
        {"key": "off", "value": "x", "enabled": False},
    ]
    (tmp_path / "api.json").write_text(json.dumps(content))
    (tmp_path / "staging.json").write_text(json.dumps({"name": "staging", "values": values}))
    given = ("--postman-environment", tmp_path / "staging.json")
    done = init(tmp_path, "--postman", tmp_path / "api.json", *given, URL, "--writes")
    assert done.exit_code == 0, done.output
    assert "t3nant-s3cret" not in written(tmp_path)
    assert "{{$guid}} is the same in each request" in done.output
    assert "skipped     1 request with the unknown variable off" in done.output
    monkeypatch.setenv("LOAD_X_TENANT", "own-tenant")
    (found,) = (each for each in steps(tmp_path) if isinstance(each, Request))
    assert (found.target, found.headers["X-Trace"]) == ("/17/items", "t1")
    assert found.headers["X-Tenant"] == "own-tenant"
    assert json.loads(found.body or b"")["at"] > 0


def test_an_environment_that_is_none(tmp_path: Path):
    """A file that is no environment, and one without a collection, are clear errors."""
    (tmp_path / "api.json").write_text(json.dumps({"item": [{"request": "{{b}}/x"}]}))
    given = ("--postman-environment", tmp_path / "api.json")
    refused = init(tmp_path, "--postman", tmp_path / "api.json", *given, URL)
    assert (refused.exit_code, "the Postman environment has no values" in refused.output) == (
        2,
        True,
    )
    alone = init(tmp_path, *given, URL)
    assert (alone.exit_code, "--postman FILE" in alone.output) == (2, True)


def test_headers_as_lines_and_variables_of_graphql_as_an_object():
    """Headers may be lines of text, as in version 2.0, and variables of GraphQL an object."""
    query = {"mode": "graphql", "graphql": {"query": "{a}", "variables": {"n": "{{n}}"}}}
    request = {"method": "POST", "url": f"{URL}/q", "header": "X-A: 1\nX-B: b:c", "body": query}
    content = {"item": [{"request": request}], "variable": [{"key": "n", "value": "7"}]}
    (found,) = parse_postman(content, "api.json", URL).requests
    assert found.headers == [("X-A", "1"), ("X-B", "b:c")]
    assert found.body == ("json", {"query": "{a}", "variables": {"n": "7"}})


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
