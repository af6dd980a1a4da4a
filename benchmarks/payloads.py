"""Response bodies of the target: as long and as nested as real ones, equal in every run."""

import json
import random
import uuid
from pathlib import Path

GET_PATH = "/bench.json"
LOGIN_PATH = "/api/v1/auth/login"
LIST_PATH = "/api/sessions/"
UPLOAD_PATH = "/api/sessions/upload"
ACCEPTED_PATH = "/accepted.json"
UPLOAD_BYTES = 100_000
SESSIONS = 50

GET_BODY = '{"id": 12345, "name": "a name", "items": [1, 2, 3, 4, 5], "text": "eighty bytes"}'
LOGIN_BODY = json.dumps({"access_token": "eyJhbGciOi" + "x" * 190, "token_type": "bearer"})
ACCEPTED_BODY = json.dumps({"id": str(uuid.UUID(int=7)), "status": "pending"})


def write(folder: Path) -> None:
    """Write the served files: a list of sessions, and each session in full."""
    drawn = random.Random(1)
    rows = [_session(drawn) for _ in range(SESSIONS)]
    served = folder / LIST_PATH.strip("/")
    served.mkdir(parents=True)
    (served / "list.json").write_text(json.dumps(rows, separators=(",", ":")))
    for row in rows:
        transcript = " ".join(drawn.choices(_WORDS, k=1200))
        text = json.dumps(row | {"transcript": transcript}, separators=(",", ":"))
        (served / row["id"]).write_text(text)
    (folder / GET_PATH.strip("/")).write_text(GET_BODY)
    (folder / ACCEPTED_PATH.strip("/")).write_text(ACCEPTED_BODY)
    (served / "upload").touch()  # nginx answers 405 to a POST only if the file exists


_WORDS = ("and then", "I", "went home", "because", "it was", "late", "but", "they", "waited")


def _session(drawn: random.Random) -> dict[str, str]:
    """Return a row of about 300 bytes."""
    day = f"2026-{drawn.randint(1, 12):02}-{drawn.randint(1, 28):02}T09:00:00Z"
    return {
        "id": str(uuid.UUID(int=drawn.getrandbits(128))),
        "patient_id": str(uuid.UUID(int=drawn.getrandbits(128))),
        "session_date": day,
        "status": "processed",
        "duration_s": str(drawn.randint(600, 3600)),
        "created_at": day,
        "updated_at": day,
    }
