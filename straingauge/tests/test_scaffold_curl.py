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
from straingauge.scaffold.captured.form_part import FormPart


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
        ("curl --request=PUT http://a/b --data=x=1", "PUT", "http://a/b", ("form", [("x", "1")])),
        ("curl http://a/b -d abc", "POST", "http://a/b", ("content", "abc")),
        ("curl http://a/b -d ''", "POST", "http://a/b", None),
        ("curl http://a/b --url-query 'a=b c' -G", "GET", "http://a/b?a=b+c", None),
        ("curl http://a/b --data-urlencode =a=b", "POST", "http://a/b", ("content", "a%3Db")),
        ("$ TOKEN=x sudo curl -sSLkfo /dev/null http://a/b 2>&1 | jq .", "GET", "http://a/b", None),
        ("curl > out.txt http://a/b 2> err.txt && rm -r http://c", "GET", "http://a/b", None),
        ("curl --no-keepalive -4 http://a/b # http://c", "GET", "http://a/b", None),
        ("curl '$BASE/b'", "GET", "http://localhost:8000/b", None),
        ("curl -g 'http://a/[1-3]'", "GET", "http://a/[1-3]", None),
    ],
)
def test_options_of_curl(command: str, method: str, url: str, body: object):
    """Options have the meaning that curl gives them."""
    (request,) = parse_curl(command).requests
    assert (request.method, request.url, request.body) == (method, url, body)


@pytest.mark.parametrize(
    ("script", "urls"),
    [
        ("curl 'http://a/1' -d 'x;y' ;\ncurl 'http://a/2'", ["1", "2"]),
        (
            'curl ^"http://a/1^" ^\r\n  -H ^"b: 1^" &\r\ncurl ^"http://a/2^" -d ^"x^"',
            ["1", "2"],
        ),
        ("#!/bin/sh\n# it's old\ncurl http://a/1 # one\n\n# two\ncurl http://a/2", ["1", "2"]),
        ("curl http://a/1; echo done; curl http://a/2 && rm x", ["1", "2"]),
        ("curl http://a/1\n  -H 'B: c'\n  -d 'x\ncurl http://a/2'", ["1"]),
        ("# curl http://a/1 -d x", ["1"]),
        ("curl http://a/1 -d \\# -d '# no'", ["1"]),
    ],
)
def test_scripts_of_curl(script: str, urls: list[str]):
    """Each curl command of a script is taken, and comments and other commands are not."""
    found = [each.url.removeprefix("http://a/") for each in parse_curl(script).requests]
    assert found == urls


def test_a_long_script_is_read_in_time():
    """The time grows with the length alone, whatever the script has."""
    for part in ("\n", " ", "#", "# a\n", "\n#", "a/", "curl http://a ;\n"):
        parse_curl("curl http://a " + part * (50_000 // len(part)))


@pytest.mark.parametrize(
    ("command", "data"),
    [
        (
            'curl ^"http://a/b?x=1^&y=2^" ^\r\n  -H ^"accept: */*^" ^\n'
            '  --data-raw ^"^{^\\^"a^\\^":^\\^"1^%^ 2^\n\nline^\\^"^}^" ^\n  --insecure',
            '{"a":"1% 2\nline"}',
        ),
        ('curl "http://a/b?x=1&y=2" ^\n -H "c: y^z" ^\n --data "{\\"a\\":1}"', '{"a":1}'),
        ("curl.exe -X POST 'http://a/b?x=1&y=2' `\n -d '{\\\"a\\\": ''1}'", '{"a": \'1}'),
        ("curl.exe -d '{\\\"a\\\": 1}' 'http://a/b?x=1&y=2'", '{"a": 1}'),
        ('curl.exe -d "a`"b""c" `\r\n "http://a/b?x=1&y=2"', 'a"b"c'),
        (
            "curl 'http://a/b?x=1&y=2' \\\r\n -d $'\\xc3\\xa9 \\u00e9 \\ud83d\\ude00\\t\\101'",
            "é é 😀\tA",
        ),
        ("curl 'http://a/b?x=1&y=2' -d '^\"'", '^"'),
    ],
)
def test_shells_of_curl(command: str, data: str):
    """A command is read as the shell does for which it was copied: bash, cmd.exe, PowerShell."""
    (request,) = parse_curl(command).requests
    assert (request.method, request.url) == ("POST", "http://a/b?x=1&y=2")
    assert request.body == ("content", data)


def test_files_of_curl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Data of files are read into the suite; uploads, and data that are no text, are read later."""
    monkeypatch.chdir(tmp_path)
    text, photo = tmp_path / "a.txt", tmp_path / "me.png"
    text.write_text("x=1&\r\ny=2")
    photo.write_bytes(b"\x89PNG")
    (tmp_path / "big").write_bytes(bytes(2_000_000))
    (tmp_path / "heads").write_text("X-A: 1\nX-B: 2\n")
    command = (
        "curl http://a -d @a.txt --next http://a --data-binary @me.png --next http://b -T me.png"
        " http://b/c/ --next http://c --data-binary @big -H @heads -H 'X-C;' -H Accept:"
    )
    data, binary, put, put_in, big = parse_curl(command).requests
    assert data.body == ("form", [("x", "1"), ("y", "2")])
    assert binary.body == ("content", b"\x89PNG")
    assert (put.method, put.url, put.body) == ("PUT", "http://b", ("content", photo))
    assert put_in.url == "http://b/c/me.png"
    assert big.body == ("content", tmp_path / "big")
    assert big.headers[:3] == [("X-A", "1"), ("X-B", "2"), ("X-C", "")]
    with pytest.raises(UsageError, match="too long for a query"):
        parse_curl("curl http://a -G -d @big")
    with pytest.raises(UsageError, match="more than 1048576 bytes"):
        parse_curl("curl http://a --data-urlencode a@big")


def test_forms_of_curl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Parts of a multipart form have the names and types that curl gives them."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.json", "me.png", "x;y.txt"):
        (tmp_path / name).write_text(f"in {name}")
    command = (
        "curl http://a -F a=b -F 'm={\"a\":1};type=application/json' -F 'q=\"c;d\"'"
        ' -F \'f=@me.png,a.json;type=text/x; charset=utf-8;filename="q\\"z"\''
        " -F 'g=@\"x;y.txt\"' -F 'h=<a.json' --form-string 's=@t;type=u'"
    )
    (request,) = parse_curl(command).requests
    assert request.method == "POST"
    assert request.body is not None
    assert request.body[1] == [
        FormPart("a", "b"),
        FormPart("m", '{"a":1}', None, "application/json"),
        FormPart("q", "c;d"),
        FormPart("f", tmp_path / "me.png", "me.png", "image/png"),
        FormPart("f", tmp_path / "a.json", 'q"z', "text/x; charset=utf-8"),
        FormPart("g", tmp_path / "x;y.txt", "x;y.txt", "text/plain"),
        FormPart("h", "in a.json"),
        FormPart("s", "@t;type=u"),
    ]


def test_what_curl_sends_and_a_suite_does_not():
    """Credentials of other kinds, and cookies of a file, are not sent, and a note says so."""
    capture = parse_curl("curl --digest -u ann:hunter22 -b cookies.txt -b a=b http://a")
    assert capture.requests[0].headers == [("Cookie", "a=b")]
    assert "cookies of a file are not read" in capture.notes
    assert any("--digest is not supported" in note for note in capture.notes)


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
        ("curl 'http://a/[1-3]'", "stands for several URLs"),
        ("curl 'http://a/{b,c}'", "stands for several URLs"),
        ("curl http://a --teleport", "'--teleport' is not understood"),
        ("curl http://a --teleport=1", "'--teleport=1' is not understood"),
        ("curl http://a -sQ x", "'-sQ' is not understood"),
        ("curl http://a -F a=@nofile", "--form: there is no file 'nofile'"),
        ("curl http://a -F a", "--form 'a' is not NAME=VALUE"),
        ("curl http://a -d @nofile", "--data: there is no file 'nofile'"),
        ("curl http://a -d @nofile\0", "there is no file"),
        ("curl http://a -T -", "--upload-file reads standard input"),
        ('curl ^"http://a', "cut off"),
        ("curl.exe http://a `\n -d 'x", "cut off"),
        ("fetch('http://a')", "begins with 'fetch("),
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
    for command in (
        *(text, f"curl {text}", f"curl http://a {text}", f"curl http://a -F '{text}'"),
        *(f'curl ^"{text}', f"curl `\n {text}", f"curl http://a $'{text}'"),
    ):
        with suppress(UsageError):
            parse_curl(command)
