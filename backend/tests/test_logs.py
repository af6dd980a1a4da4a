import json
import multiprocessing
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from app.log_file import LogFile
from app.logs import redact
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from service import PASSWORD, account, until
from small_disk import CannotMount, small_disk
from test_metrics import numbers

Open = Callable[..., Awaitable[httpx2.AsyncClient]]
MESSAGE = "the patient dreams of ann@example.com"


def read_lines(folder: Path) -> list[dict[str, Any]]:
    """Return the parsed lines of the log."""
    return [json.loads(line) for line in (folder / "app.log").read_text().splitlines()]


async def _crash() -> None:
    raise RuntimeError(MESSAGE)


def with_crash(app: FastAPI) -> None:
    """Add an endpoint that raises an exception whose message quotes a transcript."""
    app.add_api_route("/crash", _crash)


async def test_log_contains_no_personal_data_or_secrets(open_client: Open, tmp_path: Path):
    """Addresses, names, passwords and tokens of requests and responses are not logged."""
    client = await open_client(with_crash)
    headers = await account(client, "ann@example.com")
    again = {"email": "ann@example.com", "password": PASSWORD, "full_name": "Ann Example"}
    login = await client.post("/api/v1/auth/login", json=again)
    refresh_token = login.json()["refresh_token"]
    for request in (
        client.post(
            "/api/v1/auth/signup", json=again
        ),  # a conflict, for which the driver quotes the row
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


async def test_each_request_is_logged(open_client: Open, tmp_path: Path):
    """The log line of a request has its id, method, route, status and timings."""
    client = await open_client()
    session = "/api/sessions/00000000-0000-0000-0000-000000000001"
    await client.get(session, headers={"X-Request-ID": "mine-1"})
    await until(lambda: "mine-1" in (tmp_path / "logs" / "app.log").read_text())
    lines = read_lines(tmp_path / "logs")
    (line,) = (line for line in lines if line.get("request_id") == "mine-1")
    assert line["logger"] == "access"
    assert (line["method"], line["route"]) == ("GET", "/api/sessions/{session_id}")
    assert line["status"] == 401
    assert line["total_ms"] >= line["pool_ms"] + line["db_ms"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])


async def test_exception_is_logged_without_its_message(open_client: Open, tmp_path: Path):
    """An unexpected exception is logged with its type, stack and request id, not its message."""
    client = await open_client(with_crash)
    response = await client.get("/crash")
    errors = [line for line in read_lines(tmp_path / "logs") if line["level"] == "ERROR"]
    assert len(errors) == 1
    assert errors[0]["request_id"] == response.headers["x-request-id"]
    assert errors[0]["exception"]["type"] == "builtins.RuntimeError"
    assert "test_logs.py" in errors[0]["exception"]["frames"][-1]


async def test_log_level_is_a_setting(open_client: Open, tmp_path: Path):
    """With LOG_LEVEL=ERROR errors are logged, but not requests."""
    client = await open_client(with_crash, log_level="ERROR")
    await client.get("/live")
    await client.get("/crash")
    assert [line["level"] for line in read_lines(tmp_path / "logs")] == ["ERROR"]


@given(name=st.from_regex(r"[a-z0-9.+_-]{1,20}", fullmatch=True), before=st.text(max_size=20))
def test_email_addresses_are_redacted(name: str, before: str):
    """E-mail addresses in messages are redacted."""
    assert f"{name}@example.com" not in redact(f"{before} {name}@example.com, and more")


def test_secrets_are_redacted():
    """Tokens, and passwords in database URLs, are redacted."""
    text = "Bearer abc.def eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.c2ln postgresql://ann:secret@host/db"
    assert redact(text) == "[bearer] [jwt] postgresql://[url]@host/db"


def _write(path: Path, writer: int, count: int) -> None:
    file = LogFile(path, max_bytes=20_000, backups=1000)
    for number in range(count):
        file.write(json.dumps({"writer": writer, "number": number}).encode() + b"\n")
    file.close()


@pytest.mark.e2e
def test_concurrent_rotation_loses_no_line(tmp_path: Path):
    """If four processes write and rotate one log, each line is written exactly once."""
    path = tmp_path / "app.log"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(path, number, 2000)) for number in range(4)]
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
    assert min(rotated_bytes) >= 20_000  # no two processes rotated at the same time
    assert max(rotated_bytes) < 21_000  # and none continued to write to a rotated file


def test_number_of_rotated_logs_is_limited(tmp_path: Path):
    """At most the configured number of rotated logs is text, with the newest lines."""
    file = LogFile(tmp_path / "app.log", max_bytes=1000, backups=2)
    for number in range(500):
        file.write(b"%0100d\n" % number)
    file.close()
    assert {file.name for file in tmp_path.iterdir()} == {
        "app.log",
        "app.log.1",
        "app.log.2",
        "app.log.lock",
    }
    text = (tmp_path / "app.log.1").read_text() + (tmp_path / "app.log").read_text()
    assert int(text.splitlines()[-1]) == 499


def test_full_log_folder_loses_lines_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A full folder of logs costs lines, which are counted and reported once, not an exception."""
    lost: list[int] = []
    try:
        with small_disk(tmp_path / "logs", 64 * 1024) as disk:
            file = LogFile(disk / "app.log", max_bytes=10**9, backups=1, on_lost=lost.append)
            for number in range(3000):
                file.write(b"%099d\n" % number)
            written = len((disk / "app.log").read_bytes().splitlines())
            assert sum(lost) >= 3000 - written > 1000
            said = capsys.readouterr().err.splitlines()
            assert len(said) == 1
            assert f"{disk}/app.log cannot be written: No space left on device" in said[0]
            assert "LOG_DIR" in said[0]
            (disk / "app.log").unlink()
            file.write(b"after\n")
            assert (disk / "app.log").read_text().splitlines()[-1] == "after"
            assert f"{sum(lost)} lines were lost" in capsys.readouterr().err
            file.close()
    except CannotMount as error:
        pytest.skip(f"no small disk: {error}")


async def test_service_starts_without_a_log_folder(
    open_client: Open, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """A service whose folder of logs cannot be created starts, and logs once it can be."""
    obstacle = tmp_path / "obstacle"
    obstacle.write_text("a file")
    client = await open_client(log_dir=obstacle / "logs")
    for _ in range(1000):
        assert (await client.get("/live")).status_code == 200
    await until(lambda: "cannot be written: Not a directory" in capsys.readouterr().err)
    metrics = (await client.get("/metrics")).text
    assert numbers(metrics, "log_lines_lost_total")[""] > 0
    obstacle.unlink()
    await client.get("/live", headers={"X-Request-ID": "after"})
    await until((obstacle / "logs" / "app.log").exists)
    await until(lambda: "after" in (obstacle / "logs" / "app.log").read_text())


def test_log_moved_by_another_program_is_reopened(tmp_path: Path):
    """After another program has moved the log, the next line is written to a new file."""
    file = LogFile(tmp_path / "app.log", max_bytes=1000, backups=2)
    file.write(b"before\n")
    (tmp_path / "app.log").rename(tmp_path / "elsewhere.log")
    file.write(b"after\n")
    file.close()
    assert (tmp_path / "elsewhere.log").read_bytes() == b"before\n"
    assert (tmp_path / "app.log").read_bytes() == b"after\n"
