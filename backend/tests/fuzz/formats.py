"""Formats of the OpenAPI document for schemathesis, which are beyond what a schema can say.

A cursor comes from a page, and a recording is recognized by its first bytes.
"""

import io
import wave
from collections.abc import Mapping
from datetime import UTC, datetime

import schemathesis
from app.paging import encode_cursor
from hypothesis import strategies


def _recording() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(16_000)
        recording.writeframes(bytes(1000))
    return file.getvalue()


_moments = strategies.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31))  # noqa: DTZ001
_texts = strategies.text(strategies.characters(codec="utf-8"), max_size=200)
FORMATS: Mapping[str, strategies.SearchStrategy[str] | strategies.SearchStrategy[bytes]] = {
    "cursor": strategies.builds(
        encode_cursor,
        _moments.map(lambda moment: moment.replace(tzinfo=UTC).isoformat()),
        strategies.uuids(),
    ),
    "date-time": _moments.map(lambda moment: f"{moment.isoformat()}Z"),
    "password": _texts.map(lambda text: f"{text}Aa1!Aa1!Aa1!"),
    "binary": strategies.just(_recording()),
}

for _name, _strategy in FORMATS.items():
    schemathesis.openapi.format(_name, _strategy)
