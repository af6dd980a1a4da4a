"""Uploads: sent as they are, turn by turn, and how they can end."""

import ssl
from pathlib import Path

import pytest
from raw_server import Peer, answering, hang_up, serve, speaking_tls
from single_journey import peak_bytes, run_journey
from stack_tools import eventually
from straingauge.http import ErrorKind, FilePart, Upload
from straingauge.http.multipart import CHUNK_BYTES
from straingauge.journey import User

pytestmark = pytest.mark.usefixtures("nothing_left_open")


def test_an_upload_arrives_byte_for_byte(tmp_path: Path):
    """A multipart upload from disk arrives as it is, as long as announced."""
    file = tmp_path / "a.wav"
    file.write_bytes(bytes(range(256)) * 20_000)  # more than the connection takes at once
    upload = Upload({"patient_id": "7"}, {"file": FilePart(file, content_type="audio/wav")})

    def journey(user: User):
        yield user.post("/upload", upload=upload, expect=(202,))
        yield user.post("/upload", upload=upload, expect=(202,))

    with serve(answering(202)) as server:
        series, report = run_journey(server.url, journey)
    assert series.statuses[202] == 2
    assert [each.body == b"".join(upload.chunks()) for each in server.requests] == [True, True]
    assert f"Content-Type: {upload.content_type}" in server.requests[0].head
    assert report.connections == 1


def test_an_upload_is_streamed_in_constant_memory(tmp_path: Path):
    """A file of 100 MB goes out without being held in memory."""
    file = tmp_path / "large"
    with file.open("wb") as sparse:
        sparse.truncate(100_000_000)

    def journey(user: User):
        yield user.post("/x", upload=Upload({}, {"file": FilePart(file)}))

    def swallow(peer: Peer) -> None:
        buffer = bytearray(1 << 16)
        left = 100_000_000
        while left > 0 and (got := peer.socket.recv_into(buffer)):
            left -= got
        peer.answer()

    with serve(swallow) as server, peak_bytes() as peak:
        series, _ = run_journey(server.url, journey)
    assert series.statuses[200] == 1
    assert peak() < 8_000_000


def test_an_upload_whose_file_vanishes_is_the_journeys_error(tmp_path: Path):
    """A file that cannot be read is no fault of the service's."""
    file = tmp_path / "gone"
    file.write_bytes(b"a" * 10)

    def journey(user: User):
        upload = Upload({}, {"file": FilePart(file)})
        file.unlink()
        yield user.post("/x", upload=upload)

    with serve(hang_up) as server:
        series, _ = run_journey(server.url, journey)
    assert dict(series.errors) == {ErrorKind.JOURNEY_ERROR: 1}


def test_an_early_answer_ends_an_upload(tmp_path: Path):
    """An answer before the upload is whole (413) counts as that answer."""
    file = tmp_path / "large"
    with file.open("wb") as sparse:
        sparse.truncate(30_000_000)
    uploaded = Upload({}, {"file": FilePart(file)})

    def journey(user: User):
        yield user.post("/x", upload=uploaded, expect=(413,))
        yield user.get("/x", expect=(413,))

    def handler(peer: Peer) -> None:
        while b"\r\n\r\n" not in peer.socket.recv(65536):
            pass
        peer.answer(413)
        while peer.socket.recv(1 << 20):
            pass

    with serve(handler) as server:
        series, report = run_journey(server.url, journey)
    assert (dict(series.errors), series.statuses[413]) == ({}, 2)
    assert report.connections == 2


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES, 5_000_000, 9_000_000]
)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_uploads_of_any_size_share_a_connection(
    size: int, tmp_path: Path, certificate: Path, *, tls: bool
):
    """However much waits to be sent, each upload is whole and the next one begins after it."""
    file = tmp_path / "a.bin"
    file.write_bytes((bytes(range(251)) * (size // 251 + 1))[:size])
    upload = Upload({"note": "n" * 1000}, {"file": FilePart(file), "b": FilePart(b"b" * 3000)})

    def journey(user: User):
        yield user.post("/x", upload=upload, expect=(202,))
        yield user.get("/between", expect=(202,))
        yield user.post("/x", upload=upload, expect=(202,))

    settings = {"tls": ssl.create_default_context(cafile=f"{certificate}.crt")} if tls else {}
    with serve(answering(202), speaking_tls(certificate) if tls else None) as server:
        url = f"https://localhost:{server.port}" if tls else server.url
        series, report = run_journey(url, journey, **settings)
    assert (dict(series.errors), series.statuses[202]) == ({}, 3)
    whole = b"".join(upload.chunks())
    assert [each.body == whole for each in server.requests] == [True, False, True]
    assert report.connections == 1


def test_what_an_early_answer_leaves_unsent_never_meets_the_next_request():
    """A body that still waits to be sent when it is answered costs its connection, no more."""

    def journey(user: User):
        yield user.post("/large", content=b"a" * 20_000_000, expect=(413,))
        yield user.get("/next")

    def handler(peer: Peer) -> None:
        if server.connections == 1:
            while b"\r\n\r\n" not in peer.socket.recv(65536):
                pass
            peer.answer(413)
            eventually(lambda: server.connections == 2)  # until then the rest stays unsent
        else:
            answering()(peer)

    with serve(handler) as server:
        series, report = run_journey(server.url, journey)
    assert (dict(series.errors), dict(series.statuses)) == ({}, {413: 1, 200: 1})
    assert [each.target for each in server.requests] == ["/next"]
    assert report.connections == 2
