"""Headers of WAV files: what is accepted, and what is rejected before its numbers are used."""

import io
import struct
import wave
from pathlib import Path
from typing import Any

import httpx2
import pytest
from app.audio.wav import InvalidWav, read_header
from app.providers.wav import read_pcm
from hypothesis import given
from hypothesis import strategies as st
from recordings import make_patient, wav, wav_header
from service import account

ACCEPTED: list[tuple[dict[str, Any], float | None]] = [
    ({}, 1.0),
    ({"data_bytes": 0}, 1.0),
    ({"data_bytes": 16_000}, 0.5),
    ({"data_bytes": 3_000_000_000}, 1.0),
    ({"riff": b"RF64"}, 1.0),
    ({"riff": b"BW64"}, 1.0),
    ({"encoding": 0xFFFE}, 1.0),
    ({"channels": 8, "frame_bytes": 16}, 0.125),
    ({"rate_hz": 192_000, "frame_bytes": 4, "bits": 32}, 8_000 / 192_000),
    ({"bits": 12}, 1.0),
    ({"encoding": 3, "frame_bytes": 4, "bits": 32}, 0.5),
    ({"encoding": 7, "frame_bytes": 1, "bits": 8}, 2.0),
    ({"encoding": 2, "frame_bytes": 256, "bits": 4}, None),
    ({"before": struct.pack("<4sI", b"JUNK", 5) + bytes(6)}, 1.0),
]
REJECTED: list[tuple[dict[str, Any], str]] = [
    ({"channels": 0}, "0 channels"),
    ({"channels": 500, "frame_bytes": 1000}, "500 channels .* at most 8 channels"),
    ({"channels": 65_535, "encoding": 2}, "65535 channels"),
    ({"rate_hz": 0}, "0 Hz"),
    ({"rate_hz": 1}, "1 Hz"),
    ({"rate_hz": 2**32 - 1}, "4294967295 Hz"),
    ({"bits": 0}, "0 bits"),
    ({"bits": 64, "frame_bytes": 8}, "64 bits"),
    ({"bits": 65_535}, "65535 bits"),
    ({"frame_bytes": 0}, "not the 0 bytes"),
    ({"frame_bytes": 65_535}, "not the 65535 bytes"),
    ({"before": struct.pack("<4sI", b"data", 8) + bytes(8)}, "before their format"),
    ({"before": struct.pack("<4sI", b"JUNK", 0) * 100}, "more than 64 chunks"),
    ({"before": wav_header()[12:36]}, "twice"),
    ({"before": struct.pack("<4sI", b"fmt ", 4) + bytes(4)}, "incomplete"),
    ({"before": struct.pack("<4sI", b"JUNK", 0xFFFFFFFF)}, "ends before"),
    ({"before": struct.pack("<4sIH", b"fmt ", 16, 0xFFFE) + bytes(14)}, "extended format"),
]


@pytest.mark.parametrize(("fields", "duration_s"), ACCEPTED)
def test_length_follows_the_bytes_that_exist(fields: dict[str, Any], duration_s: float | None):
    """The length is computed from the file, and never exceeds it, whatever the header states."""
    header = wav_header(**fields)
    parsed = read_header(io.BytesIO(header + bytes(32_000)))
    assert parsed.start == len(header)
    assert parsed.duration_s(len(header) + 32_000) == duration_s


@pytest.mark.parametrize(("fields", "reason"), REJECTED)
async def test_impossible_header_is_rejected_with_its_reason(
    client: httpx2.AsyncClient,
    ann: dict[str, str],
    *,
    patient_id: str,
    fields: dict[str, Any],
    reason: str,
):
    """An upload whose header contradicts itself or exceeds the limits is a 422 with the reason."""
    audio = wav_header(**fields) + bytes(8000)
    with pytest.raises((InvalidWav, EOFError), match=reason):
        read_header(io.BytesIO(audio))
    response = await client.post(
        f"/api/sessions/upload?patient_id={patient_id}", headers=ann, files={"file": audio}
    )
    assert (response.status_code, response.json()["error"]["code"]) == (422, "bad_recording")
    assert response.json()["error"]["message"].startswith("The WAV file cannot be read: ")


async def test_long_header_is_read_at_the_end_of_the_upload(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str
):
    """A header after 10 kB of other chunks is checked, too."""
    before = struct.pack("<4sI", b"LIST", 10_000) + bytes(10_000)
    statuses = []
    for channels in (1, 9):
        audio = wav_header(channels=channels, frame_bytes=2 * channels, before=before) + bytes(900)
        response = await client.post(
            f"/api/sessions/upload?patient_id={patient_id}", headers=ann, files={"file": audio}
        )
        statuses.append(response.status_code)
    assert statuses == [202, 422]


async def test_too_long_recording_is_rejected(open_client: Any):  # noqa: ANN401 -- a fixture
    """A recording longer than MAX_RECORDING_S is a 422 with both lengths."""
    client = await open_client(max_recording_s=2)
    ann = await account(client)
    patient_id = await make_patient(client, ann)
    path = f"/api/sessions/upload?patient_id={patient_id}"
    responses = [
        await client.post(path, headers=ann, files={"file": wav(seconds)}) for seconds in (2, 2.5)
    ]
    assert [response.status_code for response in responses] == [202, 422]
    error = responses[1].json()["error"]
    assert error["code"] == "recording_too_long"
    assert "at most 2 s" in error["message"]


def test_samples_of_unusual_files_are_read(tmp_path: Path):
    """Streamed, truncated, RF64 and extended files are read to their end, and padding is not."""
    samples = b"".join(struct.pack("<h", value) for value in range(1000))
    path = tmp_path / "a"
    for header in (
        wav_header(),
        wav_header(data_bytes=5000),
        wav_header(riff=b"RF64"),
        wav_header(encoding=0xFFFE),
    ):
        path.write_bytes(header + samples)
        assert b"".join(read_pcm(path)) == samples
    path.write_bytes(wav_header(data_bytes=len(samples)) + samples + b"LIST\x04\0\0\0abcd")
    assert b"".join(read_pcm(path)) == samples


@given(st.integers(1, 8), st.integers(8_000, 192_000), st.integers(1, 4), st.integers(0, 1000))
def test_files_of_the_wave_module_are_accepted(
    channels: int, rate_hz: int, width_bytes: int, frames: int
):
    """Every file within the limits that Python's `wave` writes is accepted, with its length."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width_bytes)
        out.setframerate(rate_hz)
        out.writeframes(bytes(frames * channels * width_bytes))
    file.seek(0)
    assert read_header(file).duration_s(len(file.getvalue())) == frames / rate_hz
