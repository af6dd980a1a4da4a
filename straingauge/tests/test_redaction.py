import json
import time
from typing import Any

import pytest
from straingauge.errors import UsageError
from straingauge.http import ErrorKind, RequestFailed
from straingauge.observe.postgres_activity import scrub_statement
from straingauge.recording import Recorder
from straingauge.redaction import HIDDEN, redact, without_secrets

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
BODY = {"password": "hunter2", "n": 1}


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"GET /reset/{JWT}", JWT),
        (f"cut off: {JWT[:30]}", JWT[:30]),
        ("GET /a?page=1&access_token=hunter2", "hunter2"),
        ("GET /a?key=hunter2&page=1", "hunter2"),
        (f"GET /a?q=Bearer%20{JWT}", JWT),
        ("GET /a?next=%2Fb%3Ftoken%3Dhunter2", "hunter2"),
        ("http://anna:hunter2@localhost:8000/x", "anna:hunter2"),
        ("http://anna:p/w@hunter2@localhost/x", "hunter2"),
        ("http://hunter2@localhost/x", "hunter2"),
        ("redis://:hunter2@localhost/0", "hunter2"),
        ("connection to host=x password=hunter2 user=y failed", "hunter2"),
        ("PGPASSWORD='hunter 2' psql", "hunter 2"),
        (json.dumps(BODY), "hunter2"),
        (repr(BODY), "hunter2"),
        (json.dumps({"detail": json.dumps(BODY)}), "hunter2"),
        (json.dumps({"clientSecret": "hunter2"}), "hunter2"),
        (json.dumps({"password": 1234567}), "1234567"),
        (json.dumps({"set-cookie": ["sid=hunter2"]}), "hunter2"),
        (json.dumps({"loc": ["body", "password"], "msg": "short", "input": "hunter2"}), "hunter2"),
        ('{"api_key": "hunter2 and the rest is cut o', "hunter2"),
        ("Authorization: Digest username=anna, response=hunter2", "hunter2"),
        ("X-Api-Key: hunter2", "hunter2"),
        ("Set-Cookie: sid=hunter2; HttpOnly", "hunter2"),
        ("(b'cookie', b'sid=hunter2')", "hunter2"),
        ("you sent Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("you sent Bearer hunter2", "hunter2"),
        ("you sent Token 9944b09199c62bcf9418ad846dd0e4bb", "9944b09199c62bcf"),
        ("no account has sk-12345678abc", "sk-12345678abc"),
        ("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----", "hunter2"),
    ],
)
def test_secrets_are_hidden(text: str, secret: str):
    """Passwords, tokens, keys and cookies are hidden by their names and their forms."""
    shown = redact(text)
    assert secret not in shown
    assert HIDDEN in shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "GET /login",
        "POST /auth/token",
        "http://localhost:8000/@vite/client",
        "http://[::1]:8000/x",
        "Basic authentication is required",
        'status 401: WWW-Authenticate: Bearer realm="x"',
        "status 401: Bearer token missing",
        '{"token_type": "bearer", "max_tokens": 5, "token": null}',
        "code=404 key=5 session=3",
        "the field password is required",
        "p95_ms 1520 > 500 (GET /items/{id})",
        "HISTFAAAAB94nJNpmSzMwMDAxAABzFCaEUoz2X+wg+eyJhbGciOiJIUzI1NiJ9AIzaXkt/aKIAABCDEFGHIJKLMNOPQ=",
    ],
)
def test_other_texts_are_unchanged(text: str):
    """Names of endpoints and messages that only speak of secrets are left as they are."""
    assert redact(text) == text


def test_keys_and_values_of_secrets_are_hidden():
    """In a JSON value, texts are hidden in keys, too, and equal keys are numbered."""
    value: dict[str, Any] = {
        "GET /a?token=1": {"requests": 1},
        "GET /a?token=2": {"requests": 2},
        "configuration": {"password": "hunter2", "users": 3, "hosts": ["http://a:b@c"]},
    }
    assert without_secrets(value) == {
        "GET /a?token=***": {"requests": 1},
        "GET /a?token=*** (2)": {"requests": 2},
        "configuration": {"password": "***", "users": 3, "hosts": ["http://***@c"]},
    }


def test_requests_with_different_tokens_are_one_endpoint():
    """Requests whose names differ by a secret only are counted as one endpoint."""
    recorder = Recorder()
    failure = RequestFailed(ErrorKind.BAD_STATUS, "status 401: password=hunter2")
    for token in ("one", "two"):
        sink = recorder.endpoint_sink("main", f"GET /a?token={token}", 0)
        sink.add_failure(0, 1, 2, 3, failure)
    (key,) = recorder.snapshot().series
    assert key == ("main", "GET /a?token=***")
    series = recorder.snapshot().series[key]
    assert series.requests == 2
    assert {each.detail for each in series.examples} == {"status 401: password=***"}


def test_names_and_examples_have_no_control_characters():
    """Characters that a terminal would obey are shown as "?" in all reports."""
    recorder = Recorder()
    detail = "status 500: \x1b[31mred\x1b]0;title\x07\x00 \x9b2J \u202ertl\ttab\nline"
    failure = RequestFailed(ErrorKind.BAD_STATUS, detail)
    recorder.endpoint_sink("main", "GET /\x1b[2J\x07", 0).add_failure(0, 1, 2, 3, failure)
    recorder.transaction_sink("main", "buy\r")
    record = recorder.snapshot()
    ((key, series),) = record.series.items()
    assert key == ("main", "GET /?[2J?")
    assert series.examples[0].detail == "status 500: ?[31mred?]0;title?? ?2J ?rtl\ttab\nline"
    assert [*record.transactions] == [("main", "buy?")]


def test_errors_have_no_secrets():
    """The message and the hint of an error never have a secret."""
    error = UsageError("http://anna:hunter2@localhost is wrong", "try http://anna:hunter2@other")
    assert "hunter2" not in error.with_hint


def test_long_texts_are_fast():
    """The time that a long text takes is proportional to its length."""
    began = time.process_time()
    for text in (
        "a" * 200_000,
        "token" * 40_000,
        '"password":' * 20_000,
        "xeyJ" * 50_000,
        "://a:" * 40_000,
    ):
        redact(text)
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("ALTER ROLE a PASSWORD 'it''s\n secret'", "ALTER ROLE a PASSWORD '...'"),
        ("SELECT  $x$ a 'b' $x$ ,\n 1", "SELECT '...' , 1"),
        ("SELECT $1, $2", "SELECT $1, $2"),
    ],
)
def test_literals_in_statements_are_hidden(statement: str, shown: str):
    """A statement is shown without the texts in it."""
    assert scrub_statement(statement) == shown
