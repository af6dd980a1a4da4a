"""Load suites from captured requests with files and bytes in their bodies."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from captured_suites import HOST, URL, entry, har, headers, init, steps, written
from hypothesis import given, settings
from hypothesis import strategies as st
from straingauge.http import Request, Upload
from straingauge.scaffold.captured.form_part import FormPart, parse_parts

PNG = b"\x89PNG\r\n\x1a\n\x00\xff"
FORM = (
    "------WebKitFormBoundary7MA4\r\n"
    'Content-Disposition: form-data; name="title"\r\n\r\n'
    "Ünder\r\nway\r\n"
    "------WebKitFormBoundary7MA4\r\n"
    'Content-Disposition: form-data; name="note"; filename="a b.csv"\r\n'
    "Content-Type: text/csv\r\n\r\n"
    "a;b\r\n\r\n"
    "------WebKitFormBoundary7MA4\r\n"
    'Content-Disposition: form-data; name="photo"; filename="C:\\tmp\\me%22.png"\r\n'
    "Content-Type: image/png\r\n\r\n"
    "{}\r\n"
    "------WebKitFormBoundary7MA4--\r\n"
)
KIND = "multipart/form-data; boundary=----WebKitFormBoundary7MA4"


def sent(folder: Path) -> list[tuple[str, list[FormPart]]]:
    """Return the target and the parts of each form that a suite uploads."""
    found = []
    for each in steps(folder):
        if isinstance(each, Request) and isinstance(each.body, Upload):
            body = b"".join(each.body.chunks())
            assert len(body) == each.body.length
            found.append((each.target, parse_parts(body, each.body.content_type) or []))
    return found


def create(folder: Path, *entries: dict[str, Any]) -> str:
    """Create a suite from the entries of a HAR file; return the output."""
    (folder / "a.har").write_text(json.dumps(har(*entries)))
    done = init(folder, "--har", folder / "a.har", URL, "--writes")
    assert done.exit_code == 0, done.output
    return done.output


def posted(text: str | None, kind: str = KIND, **more: object) -> dict[str, Any]:
    """Make an entry that posts a body."""
    data = {"mimeType": kind, **more, **({} if text is None else {"text": text})}
    return entry(1, f"{HOST}/up", "POST", headers=headers(Content_Type=kind), postData=data)


@pytest.mark.parametrize(
    "before",
    ["", f"Content-Type: {KIND}\r\nContent-Length: 500\r\n\r\n"],
    ids=["Chrome", "Firefox"],
)
def test_a_multipart_form_of_a_har_file(tmp_path: Path, before: str):
    """Fields and files are sent as they were captured; a file that is lost has its place."""
    output = create(tmp_path, posted(before + FORM.format("")))
    place = tmp_path / "load" / "uploads" / "me_.png"
    assert f"the content of a file was not captured: save it as {place}" in output
    place.parent.mkdir()
    place.write_bytes(PNG)
    assert sent(tmp_path) == [
        (
            "/up",
            [
                FormPart("title", "Ünder\r\nway"),
                FormPart("note", b"a;b\r\n", "a b.csv", "text/csv"),
                FormPart("photo", PNG, 'C:\\tmp\\me".png', "image/png"),
            ],
        )
    ]


@pytest.mark.parametrize("content", ["\ufffdPNG", "\x89PNG"])
def test_a_binary_file_that_was_captured_as_text(tmp_path: Path, content: str):
    """Bytes that were written as text are not sent as the file."""
    assert "save it as" in create(tmp_path, posted(FORM.format(content)))


def test_a_multipart_form_as_a_list_of_fields(tmp_path: Path):
    """A form without a text is made from its fields; the type of a part is kept."""
    fields = [
        {"name": "title", "value": "a"},
        {"name": "tags", "value": "x"},
        {"name": "tags", "value": "y"},
        {"name": "file", "fileName": "a.txt", "contentType": "text/plain", "value": "hi"},
        {"name": "photo", "fileName": "me.png", "contentType": "image/png", "value": "(binary)"},
        {"value": 3},
    ]
    create(tmp_path, posted(None, "multipart/form-data", params=fields))
    (tmp_path / "load" / "uploads").mkdir()
    (tmp_path / "load" / "uploads" / "me.png").write_bytes(PNG)
    ((_, parts),) = sent(tmp_path)
    assert parts == [
        FormPart("title", "a"),
        FormPart("tags", "x"),
        FormPart("tags", "y"),
        FormPart("file", b"hi", "a.txt", "text/plain"),
        FormPart("photo", PNG, "me.png", "image/png"),
    ]


def test_base64_bodies(tmp_path: Path):
    """A body in base64 is sent as its bytes, from a file of the suite if it is long."""
    long = PNG * 1_000
    short, form = base64.b64encode(PNG).decode(), FORM.encode().replace(b"{}", PNG)
    output = create(
        tmp_path,
        posted(short, "image/png", encoding="base64"),
        posted(base64.b64encode(long).decode(), "application/octet-stream", encoding="base64"),
        posted(base64.b64encode(b'{"a": 1}').decode(), "application/json", encoding="base64"),
        posted(base64.b64encode(form).decode(), encoding="base64"),
        posted("%%%=", "image/png", encoding="base64"),
    )
    requests = [each for each in steps(tmp_path) if isinstance(each, Request)]
    assert [each.body for each in requests[:3]] == [PNG, long, b'{"a":1}']
    assert requests[0].headers["Content-Type"] == "image/png"
    ((_, parts),) = sent(tmp_path)
    assert parts[2].content == PNG
    assert f"written     {tmp_path}/load/uploads/captured_1" in output
    assert "skipped     1 request with a body that was not captured" in output


def test_bodies_that_were_not_captured(tmp_path: Path):
    """A request whose body is missing, or was bytes, is not sent without it."""
    lengths = entry(1, f"{HOST}/a", "POST", headers=headers(content_length="12"))
    sizes = entry(1, f"{HOST}/a", "PUT", bodySize=12)
    packed = posted("\x1f", "application/json")
    packed["request"]["headers"] += headers(Content_Encoding="gzip")
    none = entry(1, f"{HOST}/b", "POST", bodySize=0, headers=headers(content_length="0"))
    output = create(tmp_path, lengths, sizes, packed, posted("a\ufffdb", "image/png"), none)
    assert "skipped     4 requests with a body that was not captured" in output
    assert "covered     POST /b" in output


def test_cookies_beside_the_headers(tmp_path: Path):
    """Cookies that a browser lists apart from the headers are sent, too."""
    output = create(tmp_path, entry(1, f"{HOST}/a", cookies=headers(sid="abc123", lang="en")))
    assert "LOAD_COOKIE: header Cookie" in output
    assert "abc123" not in written(tmp_path)


def test_secrets_in_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Secrets in fields and files of a form are not written."""
    text = FORM.format("x").replace('"title"', '"password"').replace("a;b", "token;hunter22")
    create(tmp_path, posted(text.replace("Ünder\r\nway", "hunter22")))
    assert "hunter22" not in written(tmp_path)
    monkeypatch.setenv("LOAD_PASSWORD", "own-1")
    monkeypatch.setenv("LOAD_BODY", "own-2")
    ((_, parts),) = sent(tmp_path)
    assert parts[0] == FormPart("password", "own-1")
    assert parts[1].content == b"own-2"


def test_forms_and_files_of_a_postman_collection(tmp_path: Path):
    """Forms and files of a collection are sent; a file that is elsewhere has its place."""
    (tmp_path / "me.png").write_bytes(PNG)
    form = [
        {"key": "title", "value": "{{who}}", "type": "text"},
        {"key": "off", "value": "x", "disabled": True},
        {"key": "meta", "value": '{"a": 1}', "type": "text", "contentType": "application/json"},
        {"key": "photo", "type": "file", "src": str(tmp_path / "me.png")},
        {"key": "more", "type": "file", "src": ["/nowhere/b.txt"]},
    ]
    bodies = [
        {"mode": "formdata", "formdata": form},
        {"mode": "file", "file": {"src": str(tmp_path / "me.png")}},
        {"mode": "file", "file": {"content": "hi {{who}}"}},
        {"mode": "file", "file": {}},
    ]
    items = [{"request": {"method": "POST", "url": "{{base}}/a", "body": body}} for body in bodies]
    folder = {"name": "f", "item": items, "variable": [{"key": "who", "value": "bob"}]}
    other = {"request": "{{base}}/b?c={{who}}"}
    content = {"item": [folder, other], "variable": [{"key": "who", "value": "ann"}]}
    (tmp_path / "api.json").write_text(json.dumps(content))
    done = init(tmp_path, "--postman", tmp_path / "api.json", URL, "--writes")
    assert done.exit_code == 0, done.output
    assert "skipped     1 request with a file that the collection does not name" in done.output
    assert f"note        {tmp_path}/me.png is read at each request" in done.output
    assert f"save it as {tmp_path}/load/uploads/b.txt" in done.output
    (tmp_path / "load" / "uploads").mkdir()
    (tmp_path / "load" / "uploads" / "b.txt").write_text("b")
    ((_, parts),) = sent(tmp_path)
    assert parts == [
        FormPart("title", "bob"),
        FormPart("meta", b'{"a": 1}', None, "application/json"),
        FormPart("photo", PNG, "me.png", "image/png"),
        FormPart("more", b"b", "b.txt", "text/plain"),
    ]
    requests = [each for each in steps(tmp_path) if isinstance(each, Request)]
    assert [each.body for each in requests[1:]] == [PNG, b"hi bob", None]
    assert requests[3].target == "/b?c=ann"


@given(st.binary(max_size=80), st.text(max_size=30))
@settings(max_examples=60)
def test_no_form_breaks_the_parser(body: bytes, name: str):
    """Any bytes are parts of a form or none."""
    for form in (body, b"--a" + body, f'--a\r\n{name}: form-data; name="{name}"\r\n\r\n'.encode()):
        for kind in (f"multipart/form-data; boundary={name}", "multipart/form-data; boundary=a"):
            parse_parts(form, kind)
