"""Bodies of requests, from the options of `User.request`."""

import json as jsonlib
from collections.abc import Mapping
from typing import Any

from straingauge.http import Upload
from straingauge.http.query import encode_query

_encoded_json = jsonlib.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def encode_body(options: Mapping[str, Any]) -> tuple[bytes | Upload | None, str | None]:
    """Return the body among the options, and its content type if that follows from it."""
    given = [key for key in ("json", "form", "upload", "content") if options.get(key) is not None]
    if len(given) > 1:
        raise ValueError(f"a request has one body, not {' and '.join(given)}")
    if (value := options.get("json")) is not None:
        return _encoded_json(value).encode(), "application/json"
    if (form := options.get("form")) is not None:
        return encode_query(form).encode(), "application/x-www-form-urlencoded"
    if (upload := options.get("upload")) is not None:
        return upload, None  # an upload knows its own type and boundary
    content = options.get("content")
    if isinstance(content, str):
        return content.encode(), None
    if content is None or isinstance(content, bytes):
        return content, None
    return b"".join(content), None
