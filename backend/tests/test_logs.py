import json
import multiprocessing
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
from app.log_file import LogFile
from app.logs import redact
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from service import PASSWORD, account, until

Open = Callable[..., Awaitable[httpx2.AsyncClient]]
WORDS = "the patient dreams of ann@example.com"


def read_lines(folder: Path) -> list[dict[str, Any]]:
    """The log, parsed."""
    return [json.loads(line) for line in (folder / "app.log").read_text().splitlines()]


async def _crash() -> None:
    raise RuntimeError(WORDS)


def with_crash(app: FastAPI) -> None:
    """Plant an endpoint that fails with an exception that quotes a transcript."""
    app.add_api_route("/crash", _crash)


async def test_the_log_holds_no_address_password_or_token(open_client: Open, tmp_path: Path):
    """What a client sends and is given is not in the log, however its request ends."""
    client = await open_client(with_crash)
    headers = await account(client, "ann@example.com")
    again = {"email": "ann@example.com", "password": PASSWORD, "full_name": "Ann Example"}
    login = await client.post("/api/v1/auth/login", json=again)
    refresh_token = login.json()["refresh_token"]
    for request in (
        client.post("/api/v1/auth/signup", json=again),  # a conflict: the driver quotes the row
        client.post("/api/v1/auth/login", json=again | {"password": "Wrong-Pass-123"}),
        client.post("/api/v1/auth/refresh", json={"refresh_token": refresh_token}),
        client.post("/api/v1/auth/refresh", json={"refresh_token": refresh_token}),
        client.get("/api/v1/auth/me", headers=headers),
        client.get(f"/ann@example.com/{refresh_token}?token={refresh_token}"),
        client.get("/crash"),
    ):
        await request
    await until(lambda: '"/crash"' in (tmp_path / "logs" / "app.log").read_text())
    log = (tmp_path / "logs" / "app.log").read_text()
    token = headers["Authorization"].split()[1]
    for secret in ("ann@example.com", "Ann Example", PASSWORD, "Wrong-Pass", token, refresh_token):
        assert secret not in log
    assert "patient" not in log


async def test_each_request_has_its_line(open_client: Open, tmp_path: Path):
    """A request's line tells its id, route, status and times."""
    client = await open_client()
    session = "/api/sessions/00000000-0000-0000-0000-000000000001"
    await client.get(session, headers={"X-Request-ID": "mine-1"})
    await until(lambda: "mine-1" in (tmp_path / "logs" / "app.log").read_text())
    (line,) = (one for one in read_lines(tmp_path / "logs") if one.get("request_id") == "mine-1")
    assert line["logger"] == "access"
    assert (line["method"], line["route"]) == ("GET", "/api/sessions/{session_id}")
    assert line["status"] == 401
    assert line["total_ms"] >= line["pool_ms"] + line["db_ms"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])


async def test_an_exception_is_logged_by_type_and_place(open_client: Open, tmp_path: Path):
    """An unforeseen error can be found by its type, its place and its request; not by its words."""
    client = await open_client(with_crash)
    answer = await client.get("/crash")
    errors = [line for line in read_lines(tmp_path / "logs") if line["level"] == "ERROR"]
    assert len(errors) == 1
    assert errors[0]["request_id"] == answer.headers["x-request-id"]
    assert errors[0]["exception"]["type"] == "builtins.RuntimeError"
    assert "test_logs.py" in errors[0]["exception"]["frames"][-1]


async def test_the_level_is_a_setting(open_client: Open, tmp_path: Path):
    """With LOG_LEVEL=ERROR requests leave no line, errors do."""
    client = await open_client(with_crash, log_level="ERROR")
    await client.get("/live")
    await client.get("/crash")
    assert [line["level"] for line in read_lines(tmp_path / "logs")] == ["ERROR"]


@given(name=st.from_regex(r"[a-z0-9.+_-]{1,20}", fullmatch=True), before=st.text(max_size=20))
def test_what_looks_like_an_address_is_blotted_out(name: str, before: str):
    """No message carries an e-mail address into the log."""
    assert f"{name}@example.com" not in redact(f"{before} {name}@example.com, and on")


def test_what_looks_like_a_secret_is_blotted_out():
    """Tokens and the passwords of database addresses do not reach the log."""
    text = "Bearer abc.def eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.c2ln postgresql://ann:secret@host/db"
    assert redact(text) == "[bearer] [jwt] postgresql://[url]@host/db"


def _write(path: Path, writer: int, count: int) -> None:
    file = LogFile(path, max_bytes=20_000, backups=1000)
    for number in range(count):
        file.write(json.dumps({"writer": writer, "number": number}).encode() + b"\n")
    file.close()


def test_rotation_by_several_processes_loses_and_tears_nothing(tmp_path: Path):
    """Four processes that write and rotate one log leave every line whole, exactly once."""
    path = tmp_path / "app.log"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(path, each, 2000)) for each in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    files = [file for file in tmp_path.iterdir() if file.suffix != ".lock"]
    lines = Counter(line for file in files for line in file.read_text().splitlines())
    expected = {json.dumps({"writer": w, "number": n}) for w in range(4) for n in range(2000)}
    assert lines == dict.fromkeys(expected, 1)
    assert len(files) >= 10
    rotated_bytes = [file.stat().st_size for file in files if file != path]
    assert min(rotated_bytes) >= 20_000  # no two processes rotated at once
    assert max(rotated_bytes) < 21_000  # and none went on in a file that was rotated away


def test_only_so_many_old_logs_are_kept(tmp_path: Path):
    """The log and its backups never outgrow what the settings allow."""
    file = LogFile(tmp_path / "app.log", max_bytes=1000, backups=2)
    for number in range(500):
        file.write(b"%0100d\n" % number)
    file.close()
    assert {each.name for each in tmp_path.iterdir()} == {
        "app.log",
        "app.log.1",
        "app.log.2",
        "app.log.lock",
    }
    kept = (tmp_path / "app.log.1").read_text() + (tmp_path / "app.log").read_text()
    assert int(kept.splitlines()[-1]) == 499


def test_a_log_that_was_moved_away_is_begun_anew(tmp_path: Path):
    """When something else rotates the log, the next line is in a new file of the old name."""
    file = LogFile(tmp_path / "app.log", max_bytes=1000, backups=2)
    file.write(b"before\n")
    (tmp_path / "app.log").rename(tmp_path / "elsewhere.log")
    file.write(b"after\n")
    file.close()
    assert (tmp_path / "elsewhere.log").read_bytes() == b"before\n"
    assert (tmp_path / "app.log").read_bytes() == b"after\n"
