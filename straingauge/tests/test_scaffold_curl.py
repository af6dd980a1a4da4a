"""Load suites from curl commands."""

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
from captured_suites import HOST, URL, init, steps, written
from hypothesis import given, settings
from hypothesis import strategies as st
from straingauge.errors import UsageError
from straingauge.http import Request
from straingauge.scaffold.captured import parse_curl


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
