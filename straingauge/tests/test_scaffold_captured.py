"""Load suites from captured requests: HAR files, and secrets in all of them."""

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from captured_suites import HOST, JSON, JWT, URL, entry, har, headers, init, steps, written
from hypothesis import given, settings
from hypothesis import strategies as st
from straingauge.errors import UsageError
from straingauge.http import Request
from straingauge.journey import Pause
from straingauge.scaffold.captured import parse_har, parse_postman
from straingauge.scaffold.captured.secrets import Secrets, is_secret_name

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
    assert f"--load-host {URL}" in (tmp_path / "load" / "pytest.ini").read_text()


def test_a_har_file_without_responses():
    """A file that was written, not recorded, has no responses: its requests are sent as well."""
    requests = [
        {"request": {"method": "GET", "url": f"{HOST}/a"}},
        {"request": {"method": "POST", "url": f"{HOST}/b"}, "response": {}},
        {"request": {"method": "GET", "url": f"{HOST}/c"}, "response": {"status": 0}},
    ]
    found = parse_har(har(*requests), "made.har")
    assert [(each.method, each.url, each.expect) for each in found.requests] == [
        ("GET", f"{HOST}/a", ()),
        ("POST", f"{HOST}/b", ()),
    ]
    assert found.skipped == {"without a response": 1}


def test_reads_only_without_writes(tmp_path: Path):
    """Other methods than GET and HEAD are used only if the user asks for it."""
    file = tmp_path / "shop.har"
    file.write_text(json.dumps(har(entry(1, f"{HOST}/a"), entry(2, f"{HOST}/b", "DELETE"))))
    done = init(tmp_path, "--har", file)
    assert done.exit_code == 0
    assert "covered     GET /a\n" in done.output
    assert "skipped     1 request not GET or HEAD (include them with --writes)" in done.output
    assert f"--host {HOST}" in done.output
    assert "--load-host" not in (tmp_path / "load" / "pytest.ini").read_text()


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
    for name in (
        *("password", "Authorization", "X-Api-Key", "csrf", "sig", "refreshToken", "pwd", "pw"),
        *("user[password]", "login.passwd", "password_confirmation", "newPassword2", "auth:token"),
    ):
        assert is_secret_name(name), name
    for name in ("page", "email", "name", "Accept", "q", "id", ""):
        assert not is_secret_name(name), name


def test_a_secret_is_found_in_other_places(tmp_path: Path):
    """A value that is secret in one place is not written in another one."""
    data = {"mimeType": "application/json", "text": '{"password": "hunter22"}'}
    file = tmp_path / "shop.har"
    first = entry(1, f"{HOST}/a?q=hunter22")
    file.write_text(json.dumps(har(first, entry(2, f"{HOST}/b", "POST", postData=data))))
    done = init(tmp_path, "--har", file, URL, "--writes")
    assert done.exit_code == 0, done.output
    assert "hunter22" not in written(tmp_path) + done.output


def test_numbers_and_texts_with_secrets():
    """A number is secret by its exact name, a text of another kind by a word in it."""
    secrets = Secrets()
    value = {
        "max_tokens": 100,
        "otp": 123456,
        "pin": 1234,
        "user": {"password_confirmation": "x1y2z3"},
    }
    assert repr(secrets.json("", value)) == (
        "{'max_tokens': 100, 'otp': int(LOAD_OTP), 'pin': int(LOAD_PIN),"
        " 'user': {'password_confirmation': LOAD_PASSWORD_CONFIRMATION}}"
    )
    assert repr(secrets.body("<login><password>x</password></login>")) == "LOAD_BODY"
    assert secrets.body("<a>b</a>") == "<a>b</a>"


# The command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the URL of the service"),
        (["--har", "a.har", "--curl", "curl x"], "a suite has one"),
        (["--har", "a.har", "--openapi", "/openapi.json"], "a suite has one"),
        (["--har", "none.har"], "cannot be read"),
        ([f"{URL}/api", "--har", "a.har"], f"straingauge init {URL} --har ..."),
        (["--curl", "curl -XPOST http://127.0.0.1:9/a"], "no request is left to send"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], message: str):
    """A suite has one source, which can be read and has requests."""
    done = init(tmp_path, *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "load").exists()
