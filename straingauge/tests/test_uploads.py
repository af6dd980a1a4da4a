"""Uploads without a network: their bytes, length and memory."""

import tracemalloc
from pathlib import Path

import pytest
from straingauge.http import FilePart, Upload


def test_an_upload_knows_its_length_and_can_be_sent_again(tmp_path: Path):
    """An upload's length is that of its chunks, and a second reading gives the same bytes."""
    file = tmp_path / 'say "a".wav'
    file.write_bytes(bytes(range(256)) * 1000)
    upload = Upload(
        {"patient_id": "7"},
        {"file": FilePart(file, content_type="audio/wav"), "b": FilePart(b"\0" * 100_000, "b.bin")},
    )
    once = b"".join(upload.chunks())
    assert len(once) == upload.length
    assert once == b"".join(upload.chunks())
    assert b'name="file"; filename="say %22a%22.wav"\r\nContent-Type: audio/wav' in once
    assert file.read_bytes() in once


def test_an_upload_takes_constant_memory(tmp_path: Path):
    """A file of 64 MB is sent in less than one."""
    file = tmp_path / "large"
    with file.open("wb") as sparse:
        sparse.truncate(64_000_000)
    upload = Upload({}, {"file": FilePart(file)})
    tracemalloc.start()
    assert sum(map(len, upload.chunks())) == upload.length
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_file_that_shrinks_is_noticed(tmp_path: Path):
    """A file shorter than announced is an error, not a request that hangs."""
    file = tmp_path / "shrinking"
    file.write_bytes(b"12345678")
    upload = Upload({}, {"file": FilePart(file)})
    file.write_bytes(b"1")
    with pytest.raises(OSError, match="7 bytes shorter"):
        list(upload.chunks())
