"""Provider interfaces and errors."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.notes.schemas import Notes


class ProviderError(Exception):
    """Base of provider errors. The message is shown to the therapist and contains no secrets.

    ProviderError
    +-- ProviderUnavailable   temporary: the job is retried
    +-- ProviderRefused       permanent for this input or setting: the session fails
    """


class ProviderUnavailable(ProviderError):
    """The provider failed temporarily."""


class ProviderRefused(ProviderError):
    """The provider rejected the input; a retry cannot succeed."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """Transcript of a recording.

    Attributes:
        text: The words, one line per utterance if the provider separates them.
        transcriber: Name of the transcriber, such as `pocketsphinx` or `openai:whisper-1`.
        duration_s: Length of the recording in seconds; None if the provider does not report it.
    """

    text: str
    transcriber: str
    duration_s: float | None


class Transcriber(Protocol):
    """Converts speech to text."""

    async def transcribe(self, audio: Path, media_type: str) -> Transcript:
        """Transcribe one stored recording.

        Raises:
            ProviderUnavailable: The provider failed temporarily.
            ProviderRefused: The recording cannot be transcribed.
        """
        ...


class NoteExtractor(Protocol):
    """Extracts clinical notes from a transcript."""

    async def extract(self, transcript: str) -> Notes:
        """Extract the notes of one session.

        Raises:
            ProviderUnavailable: The provider failed temporarily.
            ProviderRefused: No notes can be extracted from the transcript.
        """
        ...
