"""Speech to text and notes by any endpoint that speaks the OpenAI protocol.

A busy or failing endpoint (429, 5xx, no answer) is tried again a few times here, for as long as it
asks for within reason; after that the job queue waits longer. What it says is validated before it
is believed. Neither the key nor any of the transcript appears in an error.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import orjson

from app.audio.kinds import BY_MEDIA_TYPE
from app.notes.schemas import Notes
from app.providers.base import ProviderRefused, ProviderUnavailable, Transcript

ATTEMPTS = 3
BACKOFF_S = 1.0
MAX_RETRY_AFTER_S = 30.0
TIMEOUT = httpx2.Timeout(600.0, connect=10.0)

_INSTRUCTIONS = (
    "You write a therapist's notes from the transcript of a therapy session. State only what the"
    " transcript says, in neutral clinical language. Diagnose nothing. Answer with one JSON object"
    " of exactly these keys: summary (string), key_topics, strategies, emotional_themes, triggers,"
    " action_items, quotes, follow_ups, risk_flags (each a list of strings; quotes verbatim;"
    " risk_flags names every mention of harm to self or others, abuse or substance misuse), mood"
    " (very_low, low, neutral, positive or very_positive) and mood_trajectory (improving,"
    " declining, stable or fluctuating)."
)


class OpenAI:
    """Both providers over one endpoint; close it with `async with`."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        transcription_model: str,
        notes_model: str,
        timeout: httpx2.Timeout = TIMEOUT,
        backoff_s: float = BACKOFF_S,
    ) -> None:
        self._client = httpx2.AsyncClient(
            base_url=base_url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=timeout,
        )
        self._transcription_model = transcription_model
        self._notes_model = notes_model
        self._backoff_s = backoff_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def transcribe(self, audio: Path, media_type: str) -> Transcript:
        """Send the recording, streamed from disk, to `audio/transcriptions`.

        Raises:
            ProviderUnavailable: The endpoint is busy, broken, away or incoherent.
            ProviderRefused: The endpoint does not take this recording or our key.
        """

        async def send() -> httpx2.Response:
            with audio.open("rb") as recording:
                name = f"recording{BY_MEDIA_TYPE[media_type].suffix}"  # they tell types by name
                return await self._client.post(
                    "audio/transcriptions",
                    data={"model": self._transcription_model, "response_format": "verbose_json"},
                    files={"file": (name, recording, media_type)},
                )

        answer = await self._ask(send)
        text, duration = answer.get("text"), answer.get("duration")
        if not isinstance(text, str):
            raise ProviderUnavailable("the transcription endpoint sent no text")
        if not text.strip():
            raise ProviderRefused("no speech was found in the recording")
        duration_s = float(duration) if isinstance(duration, int | float) else None
        return Transcript(text.strip(), f"openai:{self._transcription_model}", duration_s)

    async def extract(self, transcript: str) -> Notes:
        """Ask `chat/completions` for the notes as JSON.

        Raises:
            ProviderUnavailable: The endpoint is busy, broken or away, or its notes are not valid.
            ProviderRefused: The endpoint does not take the transcript or our key.
        """
        question = {
            "model": self._notes_model,
            "response_format": {"type": "json_object"},
            "messages": [
                {"role": "system", "content": _INSTRUCTIONS},
                {"role": "user", "content": transcript},
            ],
        }
        answer = await self._ask(lambda: self._client.post("chat/completions", json=question))
        try:
            content = orjson.loads(answer["choices"][0]["message"]["content"])
            return Notes.model_validate({**content, "extractor": f"openai:{self._notes_model}"})
        except (KeyError, IndexError, TypeError, ValueError):
            # `from None`: a validation error quotes what it was given, which is the transcript's.
            raise ProviderUnavailable("the notes endpoint sent notes that are not valid") from None

    async def _ask(self, send: Callable[[], Awaitable[httpx2.Response]]) -> dict[str, Any]:
        """Send until answered, a few times; return the JSON object of the answer."""
        for attempt in range(1, ATTEMPTS + 1):
            wait_s = self._backoff_s * 2 ** (attempt - 1)
            try:
                response = await send()
            except httpx2.TransportError as error:
                reason = f"the endpoint does not answer ({type(error).__name__})"
            else:
                if response.is_success:
                    return _json_object(response)
                reason = f"the endpoint answered {response.status_code}"
                if response.status_code != 429 and response.status_code < 500:
                    raise ProviderRefused(reason)
                wait_s = _retry_after_s(response, wait_s)
            if attempt < ATTEMPTS:
                await asyncio.sleep(wait_s)
        raise ProviderUnavailable(reason)


def _json_object(response: httpx2.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ProviderUnavailable("the endpoint sent something other than a JSON object")
    return answer


def _retry_after_s(response: httpx2.Response, otherwise_s: float) -> float:
    """The seconds of Retry-After; a date there, or nonsense, counts as absent."""
    value = response.headers.get("retry-after", "")
    return min(float(value), MAX_RETRY_AFTER_S) if value.isdigit() else otherwise_s
