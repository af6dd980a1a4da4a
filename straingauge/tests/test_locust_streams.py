"""Streams in Locust's client, against the server of the engine's tests."""

from collections.abc import Iterator
from typing import Any

import pytest
from locust_caller import Locust
from raw_server import Server, serve
from single_journey import run_journey
from straingauge.http import Stream
from straingauge.journey import User
from streaming_service import stream

CALL = """
from straingauge import Stream

def journey(user):
    reply = yield user.get({path!r}, **{options!r})
    user.data["events"] = [event.data for event in reply.events]

failure = user.run_journey(journey)
return [str(failure), user.journey_user.data.get("events")]
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The server of all tests in this module."""
    with serve(stream) as served:
        yield served


@pytest.mark.serial  # compares measured times with known ones
@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/timed", {"stream": "sse"}),
        ("/llm", {"stream": "llm"}),
        ("/killed", {"stream": "sse"}),
        ("/unmarked", {"stream": "llm"}),
        ("/empty", {"stream": "sse"}),
        ("/silent", {"stream": Stream(max_s=0.1, min_events=3)}),
        ("/silent", {"stream": Stream(max_s=0.1)}),
        ("/silent", {"stream": "sse", "timeout_s": 0.2}),
        ("/busy", {"stream": "sse"}),
        ("/json", {"stream": "sse"}),
        ("/endless", {"stream": Stream(max_events=5)}),
        ("/endless", {"stream": Stream(checks=["tock"])}),
    ],
)
def test_a_stream_has_the_same_outcome_as_in_the_engine(
    caller: Locust, server: Server, path: str, options: dict[str, Any]
):
    """Events, counts and failures are those of the engine."""
    events: list[str] = []

    def journey(user: User):
        reply = yield user.get(path, **options)
        events.extend(event.data for event in reply.events)

    series, _ = run_journey(server.url, journey)
    outcome = caller.call(server.url, CALL.format(path=path, options=options))
    (recorded,) = outcome.record.values()
    assert recorded["errors"] == dict(series.errors)
    assert recorded["examples"] == [each.detail for each in series.examples]
    assert recorded["streams"] == dict(series.streams.counts)
    assert outcome.value == [str(outcome.value[0]), events or None]
    assert recorded["response_ms"] < 150 or series.errors


def test_a_killed_user_ends_an_endless_stream_without_an_error(caller: Locust, server: Server):
    """When Locust stops its users, their endless streams are counted as ended by the load."""
    outcome = caller.call(
        server.url,
        """
        import gevent

        def journey(user):
            yield user.get("/endless", stream="sse")

        greenlet = gevent.spawn(user.run_journey, journey)
        gevent.sleep(0.1)
        greenlet.kill()
        return repr(greenlet.value)
        """,
    )
    (recorded,) = outcome.record.values()
    assert recorded["errors"] == {}
    assert recorded["streams"]["ended_load_end"] == 1
    assert "GreenletExit" in outcome.value
    assert outcome.totals["abandoned"] == 0
