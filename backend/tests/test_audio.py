"""Reading recordings back over HTTP, and telling their types."""

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
    """The address of a stored recording of Ann's."""
    return f"/api/sessions/{await upload(client, ann, patient_id, AUDIO)}/audio"


async def test_a_recording_comes_back_byte_for_byte(
    client: httpx2.AsyncClient, ann: dict[str, str], path: str
):
    """What was uploaded is what is read, with its type, length and SHA-256 as entity tag."""
    answer = await client.get(path, headers=ann)
    assert answer.status_code == 200
    assert answer.content == AUDIO
    assert answer.headers["content-type"] == "audio/flac"
    assert answer.headers["etag"] == f'"{hashlib.sha256(AUDIO).hexdigest()}"'
    assert answer.headers["accept-ranges"] == "bytes"


async def test_head_says_what_get_would(client: httpx2.AsyncClient, ann: dict[str, str], path: str):
    """HEAD has the headers of GET and no body."""
    get, head = await client.get(path, headers=ann), await client.head(path, headers=ann)
    assert head.content == b""
    for name in ("content-length", "content-type", "etag", "last-modified"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=10-99", range(10, 100)),
        ("bytes=99990-", range(99_990, 100_000)),
        ("bytes=-7", range(99_993, 100_000)),
        ("bytes=99999-200000", range(99_999, 100_000)),
        ("bytes=-200000", range(100_000)),
    ],
)
async def test_a_range_is_those_bytes(
    client: httpx2.AsyncClient, ann: dict[str, str], path: str, wanted: str, expected: range
):
    """A Range is a 206 with exactly those bytes and says which they are."""
    answer = await client.get(path, headers={**ann, "Range": wanted})
    assert answer.status_code == 206
    assert answer.content == AUDIO[expected.start : expected.stop]
    assert answer.headers["content-range"] == (f"bytes {expected[0]}-{expected[-1]}/{len(AUDIO)}")


async def test_bytes_beyond_the_end_cannot_be_had(
    client: httpx2.AsyncClient, ann: dict[str, str], path: str
):
    """A Range beyond the end is a 416 that tells the length, in the one shape of errors."""
    answer = await client.get(path, headers={**ann, "Range": "bytes=100000-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(AUDIO)}"
    assert answer.json()["error"]["code"] == "range_not_satisfiable"


async def test_if_range_guards_a_range(client: httpx2.AsyncClient, ann: dict[str, str], path: str):
    """With the right tag If-Range gives the part, with another the whole, even beyond the end."""
    tag = (await client.head(path, headers=ann)).headers["etag"]
    part = {**ann, "Range": "bytes=5-9"}
    assert (await client.get(path, headers={**part, "If-Range": tag})).status_code == 206
    whole = await client.get(path, headers={**part, "If-Range": '"other"'})
    assert (whole.status_code, whole.content) == (200, AUDIO)
    beyond = {**ann, "Range": "bytes=100000-", "If-Range": '"other"'}
    assert (await client.get(path, headers=beyond)).status_code == 200


async def test_a_known_recording_is_not_sent_again(
    client: httpx2.AsyncClient, ann: dict[str, str], path: str
):
    """If-None-Match with the tag is a 304 without a body."""
    tag = (await client.head(path, headers=ann)).headers["etag"]
    answer = await client.get(path, headers={**ann, "If-None-Match": f'"x", {tag}'})
    assert (answer.status_code, answer.content) == (304, b"")


async def test_a_lost_file_is_no_500(
    client: httpx2.AsyncClient, ann: dict[str, str], path: str, settings: Settings
):
    """A recording whose file is gone from the disk is a plain 404 of its own code."""
    session_id = path.split("/")[3].replace("-", "")
    (Path(settings.storage_dir) / session_id[:2] / session_id).unlink()
    answer = await client.get(path, headers=ann)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "recording_lost")


@pytest.mark.parametrize("media_type", HEADS)
def test_a_format_is_told_by_its_first_bytes(media_type: str):
    """Each accepted format is told from its first bytes alone."""
    kind = detect(HEADS[media_type])
    assert kind is not None
    assert kind.media_type == media_type


def test_every_accepted_format_has_a_sample():
    """The tests know a sample of each format, so a new one cannot come without."""
    assert {kind.media_type for kind in FORMATS} == set(HEADS)


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
def test_what_is_no_audio_is_not_taken_for_it(head: bytes):
    """Pictures, documents, scripts, text in UTF-16 and video containers are no accepted audio."""
    assert detect(head) is None


@given(st.binary(max_size=2 * SNIFF_BYTES))
def test_any_bytes_can_be_looked_at(head: bytes):
    """Detection answers for any bytes, and looks at no more than it says."""
    assert detect(head) == detect(head[:SNIFF_BYTES])
