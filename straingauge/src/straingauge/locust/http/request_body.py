"""Bodies of plain Locust calls, encoded as `requests` encodes the same arguments."""

import json as jsonlib
import mimetypes
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, TypeAlias

import orjson

from straingauge.http import FilePart, Upload
from straingauge.http.query import Pairs, encode_query

Data: TypeAlias = Any
"""Bytes, text, a form as a mapping or a list of pairs, an open file, or an iterator of pieces."""
Files: TypeAlias = Pairs
"""By field: an open file, text or bytes; or (file name, one of these, content type)."""

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
OCTETS = "application/octet-stream"


def encode_body(
    data: Data,
    json: Any,  # noqa: ANN401  whatever can be sent
    files: Files | None,
) -> tuple[bytes | Upload | None, str | None]:
    """Encode a body; return it with its content type, which is None for an upload.

    Raises:
        ValueError: a field has a nested value.
    """
    if files:
        return Upload(data or (), [(name, _part(given)) for name, given in _pairs(files)]), None
    if not data:
        return (None, None) if json is None else (_json(json), JSON)
    if isinstance(data, str | bytes | bytearray) or hasattr(data, "read"):
        return _bytes(data), None
    if isinstance(data, Iterator):
        return b"".join(map(_bytes, data)), None
    return encode_query(data).encode(), FORM


def _json(value: Any) -> bytes:  # noqa: ANN401  whatever can be sent
    try:
        return orjson.dumps(value)  # ten times as fast
    except TypeError:  # the standard library also accepts keys that are numbers, for example
        return jsonlib.dumps(value).encode()


def _pairs(given: Pairs) -> Iterable[tuple[str, Any]]:
    return given.items() if isinstance(given, Mapping) else given


def _part(given: Any) -> FilePart:  # noqa: ANN401  as in `Files`
    whole = (*given, None) if isinstance(given, tuple) else (None, given, None)
    filename, content, content_type, *_ = whole
    if filename is None:
        name = getattr(content, "name", None)
        filename = PurePath(name).name if isinstance(name, str) else None
    guessed = mimetypes.guess_type(filename or "")[0]
    return FilePart(_bytes(content), filename, content_type or guessed or OCTETS)


def _bytes(given: Any) -> bytes:  # noqa: ANN401  as in `Data`
    content = given.read() if hasattr(given, "read") else given
    return content.encode() if isinstance(content, str) else bytes(content)
