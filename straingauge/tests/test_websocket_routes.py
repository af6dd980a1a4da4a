"""WebSockets over TLS, through a proxy's tunnel and on a socket file: engine and Locust alike."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent, indent

import pytest
from http_proxy import proxying
from locust_caller import Locust
from raw_server import serve, speaking_tls
from single_journey import run_journey
from straingauge.http.settings import HttpSettings
from websocket_service import serving

Way = tuple[str, dict[str, object]]

TALK = """
socket = yield user.websocket("/echo", subprotocols=["chat"], compress=True)
for data in ("Grüße", b"\\x00\\xff", "a" * 300_000):
    yield socket.send(data)
    assert (yield socket.receive()).data == data
yield socket.close()
assert (socket.subprotocol, socket.close_code) == ("chat", 1000)
"""
USE = """
socket = yield user.websocket("{path}")
yield socket.send("hello")
yield socket.receive(timeout_s={timeout_s})
"""


@pytest.fixture(scope="module")
def ways(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Way]]:
    """The base URL and the settings of each way to the server."""
    path = tmp_path_factory.mktemp("socket") / "ws.sock"
    ca_file = f"{certificate}.crt"
    with ExitStack() as stack:
        secure = stack.enter_context(serving(speaking_tls(certificate)))
        stack.enter_context(serving(path=path))
        proxy = stack.enter_context(serve(proxying))
        through = f"http://load:secret@127.0.0.1:{proxy.port}"
        yield {
            "tls": (secure, {"ca_file": ca_file}),
            "tunnel": (secure, {"ca_file": ca_file, "proxy": through}),
            "socket": ("http://localhost", {"unix_socket": str(path)}),
            "plain proxy": ("http://localhost:1", {"proxy": through}),
            "wrong authority": (secure, {}),
        }


def compare(caller: Locust, way: Way, steps: str) -> dict[str, int]:
    """Run steps in the engine and as a Locust user; return the errors, which are the same."""
    url, settings = way
    journey = f"def journey(user):\n{indent(dedent(steps), '    ')}"
    names: dict[str, object] = {}
    exec(journey, names)  # noqa: S102  code of this test
    http = HttpSettings.of(settings, Path())
    series, _ = run_journey(url, names["journey"], http=http)  # type: ignore[arg-type]
    call = f"{journey}\nreturn str(user.run_journey(journey))"
    outcome = caller.call(url, call, http=settings, insecure=False)
    recorded = outcome.record.values()
    assert sum(each["requests"] for each in recorded) == series.requests
    errors = {kind: count for each in recorded for kind, count in each["errors"].items()}
    assert errors == dict(series.errors)
    sockets = next((each["websockets"] for each in recorded if each["websockets"]), {})
    assert sockets == dict(series.websockets.counts)
    return errors


@pytest.mark.parametrize("way", ["tls", "tunnel", "socket"])
def test_messages_pass_each_way(ways: dict[str, Way], caller: Locust, way: str):
    """Text, bytes and large messages come back, and the closing handshake is complete."""
    assert compare(caller, ways[way], TALK) == {}


@pytest.mark.parametrize("way", ["tls", "tunnel", "socket"])
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        *(("/refused", "bad_status"), ("/leave", "closed"), ("/drop", "reset")),
        *(("/broken", "protocol"), ("/large", "too_large"), ("/silent", "timeout")),
    ],
)
def test_failures_are_the_same_each_way(
    ways: dict[str, Way], caller: Locust, way: str, path: str, kind: str
):
    """Each end of a WebSocket is an error of its kind, whatever carries the frames."""
    timeout_s = 0.2 if path == "/silent" else 20
    errors = compare(caller, ways[way], USE.format(path=path, timeout_s=timeout_s))
    assert errors == {kind: 1}


@pytest.mark.parametrize(
    ("way", "kind"), [("plain proxy", "proxy"), ("wrong authority", "certificate_untrusted")]
)
def test_a_way_that_is_closed_is_named(ways: dict[str, Way], caller: Locust, way: str, kind: str):
    """A WebSocket that cannot be opened is an error of what prevents it."""
    assert compare(caller, ways[way], USE.format(path="/echo", timeout_s=20)) == {kind: 1}
