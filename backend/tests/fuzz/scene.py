"""Records that a fuzz campaign needs: a therapist with patients, sessions and recordings."""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path

import httpx2
from recordings import HEADS, make_patient, recording, upload, wav
from service import account

PATIENTS = 12
"""More than a page, so that lists have cursors."""
AUDIO = Path(__file__).parents[1] / "performance" / "audio"


@dataclass(frozen=True)
class Scene:
    """A running service with records of one therapist.

    Attributes:
        port: Its port on this machine.
        token: An access token.
        patient: Id of a patient of the therapist.
        stranger: Id of a patient of another therapist.
        stored: Recordings by the id of their session.
        cursors: A cursor of each list, by its path.
    """

    port: int
    token: str
    patient: str
    stranger: str
    stored: dict[str, bytes]
    cursors: dict[str, str]


def files() -> dict[str, bytes]:
    """Return a file of each audio format: real speech, and the first bytes of the others."""
    made = {media_type: recording(media_type) for media_type in HEADS}
    real = {path.name: path.read_bytes()[:60_000] for path in sorted(AUDIO.glob("speech.*"))}
    return made | real | {"tone.wav": wav(0.1)}


async def prepare(client: httpx2.AsyncClient, port: int) -> Scene:
    """Create the accounts and their records."""
    mark = uuid.uuid4().hex[:8]
    headers = await account(client, f"fuzz-{mark}@example.com")
    other = await account(client, f"fuzz-other-{mark}@example.com")
    stranger = await make_patient(client, other)
    patients = [await make_patient(client, headers) for _ in range(PATIENTS)]
    stored = {}
    for content in (wav(0.05), recording("audio/flac", 4096), wav(0.1)):
        stored[await upload(client, headers, patients[0], content)] = content
    cursors = {}
    for path in ("/api/sessions/", "/api/patients/", f"/api/patients/{patients[0]}/sessions"):
        page = await client.get(path, params={"limit": 1}, headers=headers)
        cursors[path] = page.links["next"]["url"].rpartition("cursor=")[2]
    token = headers["Authorization"].removeprefix("Bearer ")
    return Scene(port, token, patients[0], stranger, stored, cursors)


def as_json(value: object) -> bytes:
    """Return a JSON body."""
    return json.dumps(value).encode()
