"""HTTP/2 connections of the engine, on a transport that keeps what is written."""

from typing import Any, cast

import pytest
from h2.errors import ErrorCodes
from http2_scene import GET, Owner, Scene, Transport
from straingauge.engine.connection import Connection
from straingauge.engine.http2_connection import Http2Channel, Http2Connection
from straingauge.engine.negotiation import Negotiation
from straingauge.engine.route import Route
from straingauge.http import ErrorKind, Request, Stream
from straingauge.http.address import Address, NoHttp2Error
from straingauge.http.receive_queue import ReceiveQueue
from straingauge.http.settings import Http2Mode, HttpSettings


def test_users_of_one_connection_get_the_responses_to_their_requests():
    """Responses in another order than the requests go to the right users."""
    scene = Scene()
    (first, one), (second, two) = scene.join(), scene.join()
    one.send(GET, b"h")
    two.send(GET, b"h")
    scene.pass_on()
    scene.peer.answer(3, status=404)
    scene.peer.answer(1, status=200)
    scene.pass_on()
    assert (first.seen, second.seen) == (["200"], ["404"])


def test_a_user_that_gives_up_leaves_the_connection_to_itself_and_others():
    """Only its stream ends, and it can send its next request."""
    scene = Scene()
    (first, one), (second, two) = scene.join(), scene.join()
    one.send(GET, b"h")
    two.send(GET, b"h")
    scene.pass_on()
    assert one.cancel()
    scene.pass_on()
    assert scene.peer.resets == {1: ErrorCodes.CANCEL}
    one.send(GET, b"h")
    scene.pass_on()
    for request in scene.peer.complete:
        if request.stream_id != 1:
            scene.peer.answer(request.stream_id)
    scene.pass_on()
    assert (first.seen, second.seen) == (["200"], ["200"])


def test_a_server_that_stays_silent_loses_its_connection():
    """The second request in a row that is given up without a sign of the server ends it."""
    scene = Scene()
    _, channel = scene.join()
    usable = []
    for _ in range(2):
        channel.send(GET, b"h")
        usable.append(channel.cancel())
    assert (usable, channel.is_open, scene.transport.is_aborted) == ([True, False], False, True)


def test_the_last_user_closes_the_connection():
    """It says goodbye first."""
    scene = Scene()
    (_, one), (_, two) = scene.join(), scene.join()
    scene.pass_on()
    one.close()
    assert not scene.transport.is_aborted
    two.close()
    assert scene.transport.is_aborted
    assert scene.transport.take()[3] == 7  # GOAWAY


@pytest.mark.parametrize("error", [None, ConnectionResetError("reset by peer")])
def test_the_end_of_a_connection_reaches_each_user(error: Exception | None):
    """A request that may be repeated is stale, another fails, and an idle user notes it."""
    scene = Scene()
    users = [scene.join() for _ in range(3)]
    users[0][1].send(GET, b"h")
    scene.pass_on()
    scene.peer.answer(scene.peer.complete.pop().stream_id)
    scene.pass_on()
    users[0][1].send(GET, b"h")
    users[1][1].send(Request("POST", "/x", "x"), b"h")
    scene.pass_on()
    scene.end(error)
    assert [owner.seen for owner, _ in users] == [["200", "stale"], ["reset"], ["idle closed"]]
    assert not any(channel.is_open for _, channel in users)


def test_a_goodbye_closes_the_connection_after_the_last_response():
    """The user in flight gets its response, and then a new connection."""
    scene = Scene()
    (first, one), (second, _) = scene.join(), scene.join()
    one.send(GET, b"h")
    scene.pass_on()
    scene.connection.data_received(b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0")
    scene.run()
    assert (first.seen, second.seen, scene.transport.is_aborted) == ([], ["idle closed"], False)
    scene.peer.answer(1)
    scene.pass_on()
    assert (first.seen, one.is_open) == (["closed", "200"], False)
    assert scene.transport.is_aborted


def test_a_request_that_closes_its_connection_ends_its_channel():
    """`Connection: close` means the same as over HTTP/1.1."""
    scene = Scene()
    owner, channel = scene.join()
    channel.send(Request("GET", "/x", "x", headers={"Connection": "close"}), b"h")
    scene.pass_on()
    scene.peer.answer(1)
    scene.pass_on()
    assert (owner.seen, scene.transport.is_aborted) == (["closed", "200"], True)


def test_a_stream_of_events_ends_at_its_limit():
    """The server learns of it, and the connection stays."""
    scene = Scene()
    owner, channel = scene.join()
    channel.send(Request("GET", "/x", "x", stream=Stream(max_s=1)), b"h")
    scene.pass_on()
    scene.peer.h2.send_headers(1, [(":status", "200"), ("content-type", "text/event-stream")])
    scene.peer.h2.send_data(1, b"data: 1\n\ndata: 2\n\n")
    scene.pass_on()
    assert channel.stream is not None
    assert channel.end_stream(1_000_000_000_000)
    scene.pass_on()
    assert (owner.seen, scene.peer.resets) == (["2 events, limit"], {1: ErrorCodes.CANCEL})
    assert channel.is_open


def test_an_upload_waits_for_the_kernel():
    """While the socket takes nothing, no more of a body is written; then the rest follows."""
    scene = Scene()
    _, channel = scene.join()
    scene.connection.pause_writing()
    channel.send(Request("POST", "/x", "x", body=b"x" * 50_000), b"h")
    scene.run()
    assert (len(scene.transport.written) < 1_000, channel.unanswered_since_ns) == (True, 0)
    scene.connection.resume_writing()
    scene.pass_on()
    assert len(scene.peer.complete[0].body) == 50_000
    assert channel.unanswered_since_ns > 0


def test_a_server_that_sends_but_does_not_read_is_an_error(monkeypatch: pytest.MonkeyPatch):
    """Answers to its frames are not kept without a limit."""
    monkeypatch.setattr("straingauge.engine.http2_connection.MAX_ANSWER_BYTES", 10_000)
    scene = Scene()
    owner, channel = scene.join()
    channel.send(GET, b"h")
    scene.pass_on()
    scene.transport.is_stuck = True
    ping = b"\0\0\x08\x06\0\0\0\0\0" + b"12345678"
    for _ in range(3):
        assert not owner.seen
        scene.connection.data_received(ping * 250)
        scene.run()
    assert (owner.seen, channel.is_open) == ([ErrorKind.PROTOCOL], False)


def negotiated(chosen: str | None, http2: Http2Mode) -> tuple[Negotiation, Transport]:
    """Open a connection of TLS on which a server has chosen a protocol."""
    address = Address("h", 443, tls=True, settings=HttpSettings(http2=http2))
    choice = Negotiation(Owner(), ReceiveQueue(lambda _: None), Route.to(address))
    transport = Transport(chosen)
    choice.connection_made(cast("Any", transport))
    return choice, transport


@pytest.mark.parametrize("http2", ["negotiate", "prior-knowledge"])
def test_a_server_that_chooses_http2_gets_it(http2: Http2Mode):
    """The transport speaks HTTP/2 before anything is received."""
    choice, transport = negotiated("h2", http2)
    assert isinstance(choice.connection(), Http2Channel)
    assert isinstance(transport.protocol, Http2Connection)


@pytest.mark.parametrize("chosen", ["http/1.1", None])
def test_a_server_without_http2_gets_http1_or_no_request(chosen: str | None):
    """It does not get HTTP/1.1 from a client that was to speak HTTP/2 in any case."""
    choice, transport = negotiated(chosen, "negotiate")
    assert isinstance(choice.connection(), Connection)
    assert transport.protocol is choice.connection()
    choice, transport = negotiated(chosen, "prior-knowledge")
    with pytest.raises(NoHttp2Error):
        choice.connection()
    assert transport.is_aborted
