"""Quotas of an account: bytes stored, and minutes recorded per day."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest
from recordings import make_patient, recording, wav
from service import account

OpenClient = Callable[..., Awaitable[httpx2.AsyncClient]]


async def _upload_together(
    open_client: OpenClient, audio: bytes, uploads: int, **quotas: int
) -> list[httpx2.Response]:
    """Upload recordings at the same time, as two therapists; return the responses of the first."""
    client = await open_client(rate_limit_enabled=False, **quotas)
    responses = []
    for name in ("ann", "bea"):
        headers = await account(client, f"{name}@example.com")
        path = f"/api/sessions/upload?patient_id={await make_patient(client, headers)}"
        send = (client.post(path, headers=headers, files={"file": audio}) for _ in range(uploads))
        responses.append(await asyncio.gather(*send))
        listed = (await client.get("/api/sessions/", headers=headers)).json()
        assert len(listed) == sum(response.status_code == 202 for response in responses[-1])
    statuses = [sorted(response.status_code for response in each) for each in responses]
    assert statuses[0] == statuses[1], "the quotas of accounts are separate"
    return list(responses[0])


def _files(tmp_path: Path) -> int:
    return sum(path.is_file() for path in (tmp_path / "audio").glob("[0-9a-f][0-9a-f]/*"))


async def test_stored_bytes_of_an_account_are_limited(open_client: OpenClient, tmp_path: Path):
    """Uploads at the same time never exceed the quota; the others are a 413 and leave no file."""
    responses = await _upload_together(
        open_client, recording("audio/flac", 1000), 4, account_storage_bytes=2500
    )
    assert sorted(response.status_code for response in responses) == [202, 202, 413, 413]
    rejected = next(response for response in responses if response.status_code == 413)
    assert rejected.json()["error"]["code"] == "storage_quota_exceeded"
    assert "at most 2500" in rejected.json()["error"]["message"]
    assert _files(tmp_path) == 4


@pytest.mark.parametrize(
    "audio", [wav(1.0), recording("audio/flac", 8000)], ids=["from the header", "estimated"]
)
async def test_recorded_time_per_day_is_limited(
    open_client: OpenClient, tmp_path: Path, audio: bytes
):
    """Over the time per day an upload is a 429 with the seconds to the next day."""
    responses = await _upload_together(open_client, audio, 3, account_day_s=2)
    assert sorted(response.status_code for response in responses) == [202, 202, 429]
    rejected = next(response for response in responses if response.status_code == 429)
    assert rejected.json()["error"]["code"] == "recording_quota_exceeded"
    assert 1 <= int(rejected.headers["Retry-After"]) <= 86400
    assert _files(tmp_path) == 4
