"""Transcription and notes from any endpoint with an OpenAI-compatible API.

A failing endpoint (429, 5xx, no response) is retried a few times, honoring Retry-After up to 30 s;
later retries are made by the job queue. Responses are validated. Errors contain neither the key nor
any part of the transcript.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import orjson

from app.audio.formats import BY_MEDIA_TYPE
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
    """Transcriber and note extractor on one endpoint. Use as an async context manager."""

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
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def transcribe(self, audio: Path, media_type: str) -> Transcript:
        """Send the recording, streamed from disk, to `audio/transcriptions`.

        Raises:
            ProviderUnavailable: The endpoint failed, did not respond or sent an invalid response.
            ProviderRefused: The endpoint rejected the recording or the API key.
        """

        async def send() -> httpx2.Response:
            with audio.open("rb") as recording:
                # The endpoint detects the format by the suffix.
                name = f"recording{BY_MEDIA_TYPE[media_type].suffix}"
                return await self._client.post(
                    "audio/transcriptions",
                    data={"model": self._transcription_model, "response_format": "verbose_json"},
                    files={"file": (name, recording, media_type)},
                )

        body = await self._request(send)
        text, duration = body.get("text"), body.get("duration")
        if not isinstance(text, str):
            raise ProviderUnavailable("the transcription endpoint sent no text")
        if not text.strip():
            raise ProviderRefused("no speech was found in the recording")
        duration_s = float(duration) if isinstance(duration, int | float) else None
        text = _storable(text)
        return Transcript(text.strip(), f"openai:{self._transcription_model}", duration_s)

    async def extract(self, transcript: str) -> Notes:
        """Request the notes as JSON from `chat/completions`.

        Raises:
            ProviderUnavailable: The endpoint failed, did not respond or sent invalid notes.
            ProviderRefused: The endpoint rejected the transcript or the API key.
        """
        payload = {
            "model": self._notes_model,
            "response_format": {"type": "json_object"},
            "messages": [
                {"role": "system", "content": _INSTRUCTIONS},
                {"role": "user", "content": transcript},
            ],
        }
        body = await self._request(lambda: self._client.post("chat/completions", json=payload))
        try:
            content = orjson.loads(body["choices"][0]["message"]["content"])
            return Notes.model_validate({**content, "extractor": f"openai:{self._notes_model}"})
        except (KeyError, IndexError, TypeError, ValueError):
            # `from None`: a validation error quotes its input, which comes from the transcript.
            raise ProviderUnavailable("the notes endpoint sent notes that are not valid") from None

    async def _request(self, send: Callable[[], Awaitable[httpx2.Response]]) -> dict[str, Any]:
        """Send a request with retries; return the JSON object of the response."""
        for attempt in range(1, ATTEMPTS + 1):
            wait_s = self._backoff_s * 2 ** (attempt - 1)
            try:
                response = await send()
            except httpx2.TransportError as error:
                reason = f"the endpoint did not respond ({type(error).__name__})"
            else:
                if response.is_success:
                    return _json_object(response)
                reason = f"the endpoint responded with {response.status_code}"
                if response.status_code != 429 and response.status_code < 500:
                    raise ProviderRefused(reason)
                wait_s = _retry_after_s(response, wait_s)
            if attempt < ATTEMPTS:
                await asyncio.sleep(wait_s)
        raise ProviderUnavailable(reason)


def _json_object(response: httpx2.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ProviderUnavailable("the endpoint sent something other than a JSON object")
    return body


def _storable(text: str) -> str:
    """Replace what JSON can contain and PostgreSQL cannot store: NUL and lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _retry_after_s(response: httpx2.Response, default_s: float) -> float:
    """Return the seconds of Retry-After; `default_s` if it is missing, a date or invalid."""
    value = response.headers.get("retry-after", "")
    return min(float(value), MAX_RETRY_AFTER_S) if value.isdecimal() else default_s
