"""A short run of the own kinds of requests of `make fuzz`, and defects that it finds."""

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
import uvicorn
from app.main import create_app
from app.providers import wav as decoder
from app.serve import DEFAULTS
from app.sessions import listing
from app.settings import load_settings
from service import DEADLINE_S
from tests.fuzz.__main__ import NAMES, main
from tests.fuzz.inputs import INPUTS, Tally, fuzz_decoder, fuzz_input
from tests.fuzz.scene import Scene, prepare
from tests.fuzz.schema import Outcome
from tests.fuzz.table import input_row, schema_row
from tests.fuzz.wire import Reply, WireRequest, problem_of

MANY = "1000000/minute"
EXAMPLES = 60
GET_LIVE = WireRequest(b"GET /live HTTP/1.1\r\n\r\n", "GET", "/live")
HEADERS = {"x-request-id": "a", "server-timing": "a", "content-type": "application/json"}


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of the recordings."""
    return tmp_path_factory.mktemp("fuzz") / "audio"


@pytest.fixture(scope="module")
def scene(make_database: Callable[[], str], storage: Path) -> Iterator[Scene]:
    """The service in a thread, on a port, with records."""
    settings = load_settings(
        database_url=make_database(),
        secret_key="a key for tests, long enough to sign",
        log_dir=storage.parent / "logs",
        storage_dir=storage,
        job_worker=False,
        account_day_s=10**8,
        **{f"rate_limit_{name}": MANY for name in ("default", "login", "signup", "upload")},
    )
    options = {name: value for name, value in DEFAULTS.items() if name != "app"}
    config = uvicorn.Config(create_app(settings), port=0, log_config=None, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline_s = time.monotonic() + DEADLINE_S
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]

    async def create_records() -> Scene:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            return await prepare(client, port)

    try:
        yield asyncio.run(create_records())
    finally:
        server.should_exit = True
        thread.join(DEADLINE_S)


@pytest.mark.parametrize("name", INPUTS)
def test_responses_to_broken_requests_are_documented(scene: Scene, name: str):
    """Broken requests get documented responses, none of them a 5xx."""
    tally = fuzz_input(scene, INPUTS[name], examples=EXAMPLES, seed=1)
    assert tally.problems == {}
    assert min(tally.statuses) < 400 <= max(tally.statuses)  # neither all valid nor all refused


def test_refused_uploads_leave_no_file(scene: Scene, storage: Path):
    """Only accepted uploads are stored."""

    def stored() -> int:
        return sum(path.is_file() for path in storage.glob("[0-9a-f][0-9a-f]/*"))

    before = stored()
    tally = fuzz_input(scene, INPUTS["uploads"], examples=EXAMPLES, seed=2)
    assert stored() - before == tally.statuses[202] > 0
    assert list((storage / "incoming").iterdir()) == []


def test_broken_recordings_are_read_or_refused():
    """The decoder reads broken WAV files or refuses them; no other error ends it."""
    tally = fuzz_decoder(examples=EXAMPLES, seed=1)
    assert tally.problems == {}
    assert len(tally.statuses) == 2


def test_defect_of_cursors_is_found(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    """A cursor that is not validated leads to a 5xx, which is found."""
    monkeypatch.setattr(listing, "decode_cursor", json.loads)
    tally = fuzz_input(scene, INPUTS["cursors"], examples=EXAMPLES, seed=1)
    assert any("status 500" in problem for problem in tally.problems), tally.problems


def test_defect_of_ranges_is_found(scene: Scene, storage: Path):
    """Bytes that are not those of the recording are found."""
    changed = [storage / each[:2] / each.replace("-", "") for each in scene.stored]
    for path, content in zip(changed, scene.stored.values(), strict=True):
        path.write_bytes(content[1:] + content[:1])
    try:
        tally = fuzz_input(scene, INPUTS["ranges"], examples=EXAMPLES, seed=1)
    finally:
        for path, content in zip(changed, scene.stored.values(), strict=True):
            path.write_bytes(content)
    assert any("has other bytes" in problem for problem in tally.problems), tally.problems


def test_defect_of_the_decoder_is_found(monkeypatch: pytest.MonkeyPatch):
    """An exception that is not a refusal is a problem of the decoder."""
    monkeypatch.setattr(decoder, "_mono", lambda samples, _channels: samples[0])
    assert fuzz_decoder(examples=EXAMPLES, seed=1).problems


@pytest.mark.parametrize(
    ("request_", "reply", "problem"),
    [
        (GET_LIVE, Reply(200, HEADERS, b'{"status": "alive"}'), None),
        (GET_LIVE, Reply(200, HEADERS, b'{"status": "dead"}'), "undocumented"),
        (GET_LIVE, Reply(200, {"x-request-id": "a"}, b""), "undocumented"),
        (GET_LIVE, Reply(418, HEADERS, b"{}"), "undocumented"),
        (GET_LIVE, Reply(500, HEADERS, b"{}"), "status 500"),
        (GET_LIVE, None, "no response"),
        (WireRequest(b"", "GET", "/other"), Reply(200, HEADERS, b"{}"), "undocumented"),
        (WireRequest(b"", "GET", "/live/?a"), Reply(307, {"location": "/live?a"}, b""), None),
        (WireRequest(b"", "GET", "/live/"), Reply(307, {"location": "//a"}, b""), "undocumented"),
        (WireRequest(b"", "GET", "/other"), Reply(404, HEADERS, b"{}"), "undocumented"),
        (WireRequest(b"", "GET", "*", is_plain=False), Reply(200, HEADERS, b"{}"), None),
    ],
)
def test_problems_of_responses_are_named(
    request_: WireRequest, reply: Reply | None, problem: str | None
):
    """A 5xx, an undocumented response and a missing one are problems."""
    found = problem_of(request_, reply)
    assert found is None if problem is None else problem in (found or "")


def test_accepted_recording_is_compared(scene: Scene):
    """An upload that stored other bytes than were sent is a problem."""
    content = b"a recording"
    request = WireRequest(b"head\r\n\r\npart\r\n\r\n" + content + b"\r\n--x--", "POST", "/")
    for stored, problem in ((content, None), (b"b recording", "not what was sent")):
        accepted = {"sha256": hashlib.sha256(stored).hexdigest(), "size_bytes": len(stored)}
        reply = Reply(202, {}, json.dumps(accepted).encode())
        found = INPUTS["uploads"].check(scene, request, reply)
        assert found is None if problem is None else problem in (found or "")


def test_failures_are_counted_by_goal():
    """Each failure is in the column of its goal, and in the list of problems."""
    tally = Tally()
    tally.add(200, None, b"")
    tally.add(500, "status 500: ", b"long")
    tally.add(418, "undocumented: 418", b"a")
    tally.add(206, "bytes 0-1/2 has other bytes", b"b")
    row = input_row("ranges", "ranges", tally)
    assert (row["server_errors"], row["undocumented"], row["others"]) == (1, 1, 1)
    outcome = Outcome()
    outcome.failures["GET /", "Undocumented HTTP status code"] = "418"
    outcome.failures["GET /", "API accepted schema-violating request"] = "200"
    row = schema_row("admin", outcome)
    assert (row["server_errors"], row["undocumented"], row["others"]) == (0, 1, 1)
    assert len(row["problems"]) == 2


def test_kinds_of_requests_are_listed(capsys: pytest.CaptureFixture[str]):
    """--list names all kinds of requests and sends nothing."""
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(NAMES)
