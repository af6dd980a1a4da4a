"""A provider with an OpenAI-compatible API, whose results show which recording they are of."""

import hashlib
import json
import threading
import time
from collections.abc import Callable

from openai_server import CannedResponse, OpenAIServer, ReceivedRequest, chat

RESPONSE_S = 0.2
"""Time that a response takes, so that disturbances fall into the middle of jobs."""


def transcript_of(sha256: str) -> str:
    """Return the transcript of the recording with this SHA-256."""
    return f"recording {sha256}"


def notes_of(sha256: str) -> str:
    """Return the summary of the notes of the recording with this SHA-256."""
    return f"notes of {transcript_of(sha256)}"


class Provider(OpenAIServer):
    """Transcribes a recording to its SHA-256, and summarizes a transcript by quoting it.

    Attributes:
        deadly: SHA-256 of the recordings whose transcription kills the job worker.
        kill: Kills the job worker.
    """

    def __init__(self, kill: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.deadly: set[str] = set()
        self.kill = kill
        self._lock = threading.Lock()

    def _next(self, request: ReceivedRequest) -> CannedResponse:
        self.requests.clear()  # their bodies are recordings
        time.sleep(RESPONSE_S)
        if request.path.endswith("/audio/transcriptions"):
            sha256 = hashlib.sha256(file_part(request.content_type, request.body)).hexdigest()
            if sha256 in self.deadly:
                with self._lock:
                    self.kill()
            return CannedResponse({"text": transcript_of(sha256), "duration": 1.0})
        transcript = json.loads(request.body)["messages"][1]["content"]
        summary = {
            "summary": f"notes of {transcript}",
            "mood": "neutral",
            "mood_trajectory": "stable",
        }
        lists = (
            *("key_topics", "strategies", "emotional_themes", "triggers", "action_items"),
            *("quotes", "follow_ups", "risk_flags"),
        )
        return chat(summary | {name: [] for name in lists})


def file_part(content_type: str, body: bytes) -> bytes:
    """Return the content of the part `file` of a multipart form.

    Raises:
        ValueError: There is no such part.
    """
    boundary = b"--" + content_type.partition("boundary=")[2].strip('"').encode()
    for part in body.split(boundary):
        head, _, content = part.partition(b"\r\n\r\n")
        if b'name="file"' in head:
            return content.removesuffix(b"\r\n")
    raise ValueError("the form has no part named file")
