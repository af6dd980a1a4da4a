"""Synthetic recordings: first bytes of all formats, and complete WAV files."""

import io
import math
import struct
import wave
from array import array
from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx2
from app.sessions.models import Status, TherapySession
from fastapi import FastAPI
from sqlalchemy import update

SignUp = Callable[..., Awaitable[dict[str, str]]]


def wav(seconds: float = 1.0, *, rate_hz: int = 16_000, channels: int = 1) -> bytes:
    """Create a WAV file with a tone: valid audio without speech."""
    count = int(seconds * rate_hz)
    tone = (int(3000 * math.sin(2 * math.pi * 440 * i / rate_hz)) for i in range(count))
    samples = array("h", [sample for value in tone for sample in [value] * channels])
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(samples.tobytes())
    return file.getvalue()


def wav_header(
    encoding: int = 1,
    channels: int = 1,
    rate_hz: int = 16_000,
    *,
    frame_bytes: int = 2,
    bits: int = 16,
    data_bytes: int = 0xFFFFFFFF,
    before: bytes = b"",
    riff: bytes = b"RIFF",
) -> bytes:
    """Create the header of a WAV file, which may contradict itself.

    Args:
        encoding: Format tag; 0xFFFE writes an extended format with PCM.
        channels: Number of channels.
        rate_hz: Sampling rate.
        frame_bytes: Size of a frame that the header states.
        bits: Bits per sample that the header states.
        data_bytes: Size of the samples that the header states.
        before: Chunks before the format.
        riff: First four bytes.
    """
    rate = rate_hz * frame_bytes % 2**32
    layout = struct.pack("<HHIIHH", encoding, channels, rate_hz, rate, frame_bytes, bits)
    if encoding == 0xFFFE:
        layout += struct.pack("<HHI", 22, bits, 0) + bytes.fromhex(
            "0100000000001000800000aa00389b71"
        )
    return (
        riff
        + struct.pack("<I4s", 0xFFFFFFFF, b"WAVE")
        + before
        + struct.pack("<4sI", b"fmt ", len(layout))
        + layout
        + struct.pack("<4sI", b"data", data_bytes)
    )


HEADS = {
    "audio/wav": wav_header(),
    "audio/mpeg": b"\xff\xfb\x90\x64" + bytes(60),
    "audio/aac": b"\xff\xf1\x50\x80" + bytes(60),
    "audio/mp4": b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00",
    "audio/ogg": b"OggS\x00\x02" + bytes(20) + b"\x01\x13OpusHead\x01\x02",
    "audio/flac": b"fLaC\x00\x00\x00\x22",
    "audio/webm": b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\x82\x84webm",
    "audio/aiff": b"FORM\x00\x00\x10\x00AIFFCOMM",
    "audio/amr": b"#!AMR\n" + bytes(58),
}
"""First bytes of a file of each accepted media type."""


def recording(media_type: str, size_bytes: int = 4096) -> bytes:
    """Create a file with the first bytes of this media type, followed by arbitrary bytes."""
    body = HEADS[media_type] + bytes(range(256)) * (size_bytes // 256 + 1)
    return body[:size_bytes]


async def make_patient(client: httpx2.AsyncClient, headers: dict[str, str]) -> str:
    """Create a patient and return its id."""
    response = await client.post("/api/patients/", json={"full_name": "Bo Sample"}, headers=headers)
    assert response.status_code == 201, response.text
    patient_id: str = response.json()["id"]
    return patient_id


async def upload(
    client: httpx2.AsyncClient, headers: dict[str, str], patient_id: str, audio: bytes
) -> str:
    """Upload a recording and return the id of the session."""
    response = await client.post(
        "/api/sessions/upload",
        headers=headers,
        data={"patient_id": patient_id},
        files={"file": ("recording", audio)},
    )
    assert response.status_code == 202, response.text
    session_id: str = response.json()["id"]
    return session_id


async def give_transcript(
    app: FastAPI, session_id: str, text: str = "I feel better today."
) -> None:
    """Store a transcript like the transcription job."""
    async with app.state.database.session() as session:
        await session.execute(
            update(TherapySession)
            .where(TherapySession.id == UUID(session_id))
            .values(transcript=text, transcriber="test", status=Status.TRANSCRIBED)
        )
