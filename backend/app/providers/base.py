"""What every provider offers, and the two ways in which one fails."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.notes.schemas import Notes


class ProviderError(Exception):
    """Base of both failures. The message is shown to the therapist: plain, and without secrets.

    ProviderError
    +-- ProviderUnavailable   it may work later: the job is tried again
    +-- ProviderRefused       it will never work with this input or setting: the session fails
    """


class ProviderUnavailable(ProviderError):
    """It may work later."""


class ProviderRefused(ProviderError):
    """It will not work however often it is tried."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said.

    Attributes:
        text: The words, one line per utterance where the provider tells them apart.
        transcriber: Who wrote it down, such as `pocketsphinx` or `openai:whisper-1`.
        duration_s: Length of the recording, None when the provider does not know.
    """

    text: str
    transcriber: str
    duration_s: float | None


class Transcriber(Protocol):
    """Writes down what is said in a recording."""

    async def transcribe(self, audio: Path, media_type: str) -> Transcript:
        """Transcribe one stored recording.

        Raises:
            ProviderUnavailable: Try again later.
            ProviderRefused: This recording cannot be transcribed.
        """
        ...


class NoteExtractor(Protocol):
    """Draws clinical notes from a transcript."""

    async def extract(self, transcript: str) -> Notes:
        """Extract the notes of one session.

        Raises:
            ProviderUnavailable: Try again later.
            ProviderRefused: No notes can be drawn from this transcript.
        """
        ...
