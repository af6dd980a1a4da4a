"""Nothing is imported while a load sends: its requests would wait for it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from http2_peer import speaking_http2
from locust_caller import locust
from raw_server import Peer, answering, serve, speaking_tls
from streaming_service import stream
from websocket_service import serving

pytestmark = pytest.mark.e2e

JOURNEYS: Final = {
    "requests": """
        answer = yield user.get("/x", headers={"X-A": "1"})
        answer.json()
        yield user.post("/x", json={"a": 1})
        yield user.post("/x", form={"a": "1"})
        yield user.get("/x", params={"q": "\u00e9"}, timeout_s=5)
        user.cookies.set("a", "1")
        yield user.get("/x")
        """,
    "upload": """
        yield user.post("/x", upload=Upload({"a": "1"}, {"f": FilePart(b"content", "f.txt")}))
        """,
    "form": """
        page = yield user.get("/x", follow_redirects=True)
        yield form_request(user, page, {"name": "a"})
        """,
    "stream": """
        yield user.get("/gzip", stream="sse")
        yield user.get("/lines", stream="ndjson")
        yield user.get("/llm", stream="llm")
        """,
    "websocket": """
        socket = yield user.websocket("/echo", compress=True)
        yield socket.send("hello")
        yield socket.receive()
        yield socket.close()
        """,
}
JOURNEY: Final = """
import sys
from straingauge import FilePart, Pause, Upload, form_request

loaded = set()

def journey(user):
    if not loaded:
        loaded.update(sys.modules)
    {steps}
"""
ENGINE: Final = """
import json
from straingauge.engine import Load, run_load
from straingauge.http.settings import HttpSettings
from straingauge.journey import User, mix
from straingauge.recording import Recorder
from straingauge.schedule import constant_users

{journey}

recorder = Recorder()
http = HttpSettings.of({settings!r}, Path())
users = [User(0, settings=http)]
load = Load({url!r}, constant_users(count=1, iterations=1), mix(journey), users, http=http)
run_load(load, recorder)
late = sorted(set(sys.modules) - loaded)
print(json.dumps([late, dict(recorder.snapshot().total("main").errors)]))
"""


def paging(peer: Peer) -> None:
    """Redirect once, then answer with a form."""
    if peer.read() is not None:
        peer.answer(302, b"", "Location: /page\r\nSet-Cookie: id=1; Path=/\r\n")
    while peer.read() is not None:
        peer.answer(body=b"<form method=post><input name=name></form>")


@contextmanager
def service(kind: str, certificate: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """A service for a journey: its URL, and the settings of connections to it."""
    if kind == "websocket":
        with serving() as url:
            yield url, {}
        return
    handler = {"form": paging, "stream": stream}.get(kind, answering())
    tls = None
    if kind == "http2":
        handler, tls = (
            speaking_http2(lambda end, each: end.answer(each.stream_id)),
            speaking_tls(certificate),
        )
        tls.set_alpn_protocols(["h2"])
    with serve(handler, tls) as server:
        if tls is None:
            yield server.url, {}
        else:
            ca_file = f"{certificate}.crt"
            yield f"https://localhost:{server.port}", {"ca_file": ca_file, "http2": True}


def journey_of(kind: str) -> str:
    """The code of a journey."""
    lines = JOURNEYS["requests" if kind == "http2" else kind].split("\n")
    return JOURNEY.format(steps="\n    ".join(line.strip() for line in lines))


KINDS: Final = (*JOURNEYS, "http2")


@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_imports_nothing_in_a_load(certificate: Path, kind: str):
    """A process that has begun its first request has imported all that the load needs."""
    with service(kind, certificate) as (url, settings):
        code = ENGINE.format(journey=journey_of(kind), settings=settings, url=url)
        done = subprocess.run(
            [sys.executable, "-c", f"from pathlib import Path\n{code}"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert json.loads(done.stdout) == [[], {}]


def test_a_locust_user_imports_nothing_with_its_requests(certificate: Path, tmp_path: Path):
    """The same holds for the users of a process of Locust, one kind of journey after the other."""
    with locust(tmp_path) as caller:
        for kind in KINDS:
            with service(kind, certificate) as (url, settings):
                run = "user.run_journey(journey)\nreturn sorted(set(sys.modules) - loaded)"
                outcome = caller.call(url, f"{journey_of(kind)}\n{run}", http=settings)
            assert (kind, outcome.value) == (kind, [])
            assert not any(each["errors"] for each in outcome.record.values())
