"""WebSockets in Locust's client, against the server of the engine's tests."""

from collections.abc import Iterator
from textwrap import dedent, indent

import pytest
from locust_caller import Locust
from single_journey import run_journey
from websocket_service import serving

TALK = """
socket = yield user.websocket("/slow", subprotocols=["chat"])
yield socket.send('{"id": 7}')
reply = yield socket.receive(match={"id": 7}, name="reply")
assert reply.json() == {"id": 7}
assert (yield socket.receive()).json() == {"id": 0}
assert socket.subprotocol == "chat"
yield socket.close()
assert socket.close_code == 1000
"""
USE = """
socket = yield user.websocket({path!r}, compress=True)
yield socket.send("hello" * 1000)
yield socket.receive({options})
"""
KEEP_COOKIES = """
yield user.websocket("/cookie")
try:
    yield user.websocket("/refused")
except Exception:
    pass
assert (user.cookies.get("session"), user.cookies.get("refused")) == ("abc", "1")
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of the server of all tests in this module."""
    with serving() as url:
        yield url


@pytest.mark.parametrize(
    "steps",
    [
        TALK,
        KEEP_COOKIES,
        USE.format(path="/echo", options=""),
        USE.format(path="/refused", options=""),
        USE.format(path="/leave", options=""),
        USE.format(path="/drop", options=""),
        USE.format(path="/large", options=""),
        USE.format(path="/broken", options=""),
        USE.format(path="/ping", options=""),
        USE.format(path="/silent", options="timeout_s=0.1"),
        USE.format(path="/echo", options='match="x", timeout_s=0.1'),
    ],
)
def test_a_websocket_has_the_same_outcome_as_in_the_engine(caller: Locust, url: str, steps: str):
    """Samples, errors, messages and close codes are those of the engine."""
    journey = f"def journey(user):\n{indent(dedent(steps), '    ')}"
    names: dict[str, object] = {}
    exec(journey, names)  # noqa: S102  code of this test
    series, _ = run_journey(url, names["journey"])  # type: ignore[arg-type]
    outcome = caller.call(url, f"{journey}\nreturn str(user.run_journey(journey))")
    recorded = outcome.record.values()
    assert sum(each["requests"] for each in recorded) == series.requests
    errors = {kind: count for each in recorded for kind, count in each["errors"].items()}
    assert errors == dict(series.errors)
    assert "journey_error" not in errors
    examples = [example for each in recorded for example in each["examples"]]
    assert examples == [each.detail for each in series.examples]
    sockets = next((each["websockets"] for each in recorded if each["websockets"]), {})
    assert sockets == dict(series.websockets.counts)


def test_pings_are_answered_while_a_user_pauses(caller: Locust, url: str):
    """A server that waits for a pong gets it, although the journey does not wait for a message."""
    outcome = caller.call(
        url,
        """
        from straingauge import Pause

        def journey(user):
            socket = yield user.websocket("/ping")
            yield Pause(0.2)
            assert socket.protocol.messages[0].data == "pong received"

        return str(user.run_journey(journey))
        """,
    )
    assert outcome.value == "None"
