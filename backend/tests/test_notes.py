"""Notes over HTTP."""

from uuid import UUID

import httpx2
from app.providers.base import Transcript
from app.providers.factory import Providers
from app.providers.rules import RuleExtractor
from fastapi import FastAPI
from pipelines import CannedProviders, pipeline_of
from recordings import give_transcript, upload, wav


async def _jobs(app: FastAPI) -> list[str]:
    async with app.state.database.driver_connection() as connection:
        rows = await connection.fetch("SELECT entrypoint FROM pgqueuer ORDER BY id")
    return [row[0] for row in rows]


async def test_new_session_has_no_notes(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str
):
    """For a session without transcript, notes are a 404 and their extraction is a 409."""
    path = f"/api/sessions/{await upload(client, ann, patient_id, wav())}"
    assert (await client.get(f"{path}/notes", headers=ann)).status_code == 404
    extraction = await client.post(f"{path}/extract-notes", headers=ann)
    assert (extraction.status_code, extraction.json()["error"]["code"]) == (409, "no_transcript")


async def test_concurrent_extractions_share_a_job(
    app: FastAPI, client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str
):
    """While an extraction is queued, a further request does not queue another job."""
    session_id = await upload(client, ann, patient_id, wav())
    await give_transcript(app, session_id)
    path = f"/api/sessions/{session_id}/extract-notes"
    first, second = [(await client.post(path, headers=ann)) for _ in range(2)]
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == {
        "id": session_id,
        "status": "extracting_notes",
        "already_queued": False,
    }
    assert second.json()["already_queued"] is True
    assert await _jobs(app) == ["transcribe", "extract_notes"]


async def test_notes_name_their_extractor(
    app: FastAPI, client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str
):
    """After processing, the notes of a session name their extractor."""
    session_id = await upload(client, ann, patient_id, wav())
    canned = CannedProviders(Transcript("I feel better.", "canned", 2.0))
    pipeline = pipeline_of(app, Providers(canned, RuleExtractor()))
    await pipeline.transcribe(UUID(session_id))
    await pipeline.extract_notes(UUID(session_id))
    session = (await client.get(f"/api/sessions/{session_id}", headers=ann)).json()
    assert session["status"] == "processed"
    assert (session["transcript"], session["transcriber"]) == ("I feel better.", "canned")
    notes = (await client.get(f"/api/sessions/{session_id}/notes", headers=ann)).json()
    assert notes["extractor"] == "rules"
    assert notes["session_id"] == session_id
    assert notes["summary"] == "I feel better."
