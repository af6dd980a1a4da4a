"""Download of recordings, and detection of audio formats."""

import hashlib
from pathlib import Path

import httpx2
import pytest
from app.audio.formats import FORMATS, SNIFF_BYTES, detect
from app.settings import Settings
from hypothesis import given
from hypothesis import strategies as st
from recordings import HEADS, recording, upload

AUDIO = recording("audio/flac", 100_000)


@pytest.fixture
async def path(client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str) -> str:
    """Path of a stored recording of Ann."""
    return f"/api/sessions/{await upload(client, ann, patient_id, AUDIO)}/audio"


async def test_recording_is_returned_unchanged(
    client: httpx2.AsyncClient, ann: dict[str, str], path: str
):
    """A recording is returned unchanged, with its media type and its SHA-256 as entity tag."""
    response = await client.get(path, headers=ann)
    assert response.status_code == 200
    assert response.content == AUDIO
    assert response.headers["content-type"] == "audio/flac"
    assert response.headers["etag"] == f'"{hashlib.sha256(AUDIO).hexdigest()}"'
    assert response.headers["accept-ranges"] == "bytes"


async def test_head_has_the_headers_of_get(
    client: httpx2.AsyncClient, ann: dict[str, str], path: str
):
    """HEAD has the headers of GET and no body."""
    get, head = await client.get(path, headers=ann), await client.head(path, headers=ann)
    assert head.content == b""
    for name in ("content-length", "content-type", "etag", "last-modified"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize(
    ("range_header", "expected"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=10-99", range(10, 100)),
        ("bytes=99990-", range(99_990, 100_000)),
        ("bytes=-7", range(99_993, 100_000)),
        ("bytes=99999-200000", range(99_999, 100_000)),
        ("bytes=-200000", range(100_000)),
    ],
)
async def test_range_returns_the_requested_bytes(
    client: httpx2.AsyncClient, ann: dict[str, str], path: str, range_header: str, expected: range
):
    """A range request returns a 206 with exactly these bytes and a Content-Range header."""
    response = await client.get(path, headers={**ann, "Range": range_header})
    assert response.status_code == 206
    assert response.content == AUDIO[expected.start : expected.stop]
    assert response.headers["content-range"] == (f"bytes {expected[0]}-{expected[-1]}/{len(AUDIO)}")


async def test_range_beyond_the_end_is_416(
    client: httpx2.AsyncClient, ann: dict[str, str], path: str
):
    """A range beyond the end is a 416 with the length, in the JSON error format."""
    response = await client.get(path, headers={**ann, "Range": "bytes=100000-"})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(AUDIO)}"
    assert response.json()["error"]["code"] == "range_not_satisfiable"


async def test_if_range_is_checked_before_the_range(
    client: httpx2.AsyncClient, ann: dict[str, str], path: str
):
    """If-Range with the current tag returns the range, with another tag the whole recording."""
    tag = (await client.head(path, headers=ann)).headers["etag"]
    part = {**ann, "Range": "bytes=5-9"}
    assert (await client.get(path, headers={**part, "If-Range": tag})).status_code == 206
    whole = await client.get(path, headers={**part, "If-Range": '"other"'})
    assert (whole.status_code, whole.content) == (200, AUDIO)
    beyond = {**ann, "Range": "bytes=100000-", "If-Range": '"other"'}
    assert (await client.get(path, headers=beyond)).status_code == 200


async def test_cached_recording_is_not_sent_again(
    client: httpx2.AsyncClient, ann: dict[str, str], path: str
):
    """If-None-Match with the current tag is a 304 without a body."""
    tag = (await client.head(path, headers=ann)).headers["etag"]
    response = await client.get(path, headers={**ann, "If-None-Match": f'"x", {tag}'})
    assert (response.status_code, response.content) == (304, b"")


async def test_missing_file_is_404(
    client: httpx2.AsyncClient, ann: dict[str, str], path: str, settings: Settings
):
    """A recording whose file is missing on disk is a 404 with a specific code."""
    session_id = path.split("/")[3].replace("-", "")
    (Path(settings.storage_dir) / session_id[:2] / session_id).unlink()
    response = await client.get(path, headers=ann)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "recording_lost")


@pytest.mark.parametrize("media_type", HEADS)
def test_format_is_detected_by_its_first_bytes(media_type: str):
    """Each accepted format is detected by its first bytes."""
    audio_format = detect(HEADS[media_type])
    assert audio_format is not None
    assert audio_format.media_type == media_type


def test_every_accepted_format_has_a_sample():
    """There is a sample of each accepted format."""
    assert {audio_format.media_type for audio_format in FORMATS} == set(HEADS)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"RIFF\x24\x08\x00\x00AVI LIST",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0\x00\x10JFIF",
        b"\x00\x00\x00\x20ftypheic\x00\x00\x00\x00",
        b"OggS\x00\x02" + bytes(22) + b"\x80theora",
        b"\xff\xff\xff\xff" * 8,
        b"\xff\xfe\x41\x00B\x00",
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"<html>",
        b"#!/bin/sh\n",
        b"ID",
    ],
)
def test_other_files_are_not_detected_as_audio(head: bytes):
    """Images, documents, scripts, UTF-16 text and video containers are rejected."""
    assert detect(head) is None


@given(st.binary(max_size=2 * SNIFF_BYTES))
def test_detection_accepts_any_bytes(head: bytes):
    """Detection works for any bytes, and reads only the first `SNIFF_BYTES` bytes."""
    assert detect(head) == detect(head[:SNIFF_BYTES])
