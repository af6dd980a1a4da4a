"""Uploads of a Locust user."""

import threading
from pathlib import Path

from locust_caller import Locust
from raw_server import Peer, answering, serve

UPLOAD = """
from straingauge.http import FilePart, Upload

def journey(user):
    upload = Upload({{}}, {{"f": FilePart(b"x" * {size})}})
    yield user.post("/x", upload=upload, timeout_s={timeout_s})

return str(user.run_journey(journey))
"""


def test_an_upload_larger_than_any_buffer_arrives_whole(caller: Locust):
    """Many megabytes are sent in pieces to a slow reader, and the connection stays open."""
    with serve(answering()) as server:
        outcome = caller.call(server.url, UPLOAD.format(size=20_000_000, timeout_s=20))
    assert outcome.value == "None"
    assert len(server.requests[0].body) > 20_000_000


def test_a_response_before_the_end_of_the_upload_counts(caller: Locust):
    """The response of a service that refuses an upload unread counts; the connection is closed."""

    def refusing(peer: Peer) -> None:
        if peer.server.connections > 1:
            answering()(peer)
            return
        peer.socket.recv(65536)
        peer.answer(413)
        over.wait(20)

    over = threading.Event()
    text = UPLOAD.format(size=20_000_000, timeout_s=20).replace("return ", "")
    with serve(refusing) as server:
        outcome = caller.call(server.url, text + 'return client.get("/y", timeout=2).status_code')
        over.set()
    assert outcome.value == 200
    figures = outcome.record["main POST /x"]
    assert (figures["statuses"], figures["errors"]) == ({"413": 1}, {"bad_status": 1})


def test_a_missing_upload_file_is_a_journey_error(caller: Locust, tmp_path: Path):
    """An upload whose file cannot be read is a journey error; later requests work."""
    with serve(answering()) as server:
        outcome = caller.call(
            server.url,
            f"""
            from pathlib import Path
            from straingauge.http import FilePart, Upload
            file = Path({str(tmp_path / "f")!r})
            file.write_bytes(b"x")

            def journey(user):
                upload = Upload({{}}, {{"f": FilePart(file)}})
                file.unlink()
                yield user.post("/x", upload=upload)

            user.run_journey(journey)
            return client.get("/y").status_code
            """,
        )
    assert outcome.value == 200
    figures = outcome.record["main POST /x"]
    assert figures["errors"] == {"journey_error": 1}
    assert figures["examples"][0].startswith("the upload's file: ")
