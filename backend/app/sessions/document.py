"""The form and the recording for the OpenAPI document: FastAPI sees neither in the signatures."""

from typing import Any

from app.audio.formats import BY_MEDIA_TYPE
from app.errors import NotFound, RangeNotSatisfiable
from app.openapi.responses import Responses, declare, header_refs
from app.sessions.schemas import UploadFields
from app.sessions.upload import MIN_BYTES

_FILE = {
    "type": "string",
    "format": "binary",
    "description": f"A recording of at least {MIN_BYTES} bytes. Its format is detected from its"
    " content; its name is ignored.",
}
_FIELDS = UploadFields.model_json_schema()

UPLOAD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": _FIELDS
                | {
                    "required": ["file", *_FIELDS["required"]],
                    "properties": {"file": _FILE} | _FIELDS["properties"],
                },
                "encoding": {"file": {"contentType": ", ".join(BY_MEDIA_TYPE)}},
            }
        },
    }
}
"""Request body of an upload. A form parameter would make FastAPI read it before the endpoint."""

_BYTES = {"schema": {"type": "string", "format": "binary"}}
_CONTENT = dict.fromkeys(BY_MEDIA_TYPE, _BYTES)
_HEADERS = header_refs(("ETag", "Accept-Ranges", "Content-Disposition"))

RECORDING: Responses = {
    200: {
        "description": "The recording, byte for byte.",
        "content": _CONTENT,
        "headers": _HEADERS,
    },
    206: {
        "description": "The requested ranges; several as multipart/byteranges.",
        "content": _CONTENT | {"multipart/byteranges": _BYTES},
        "headers": _HEADERS | header_refs(("Content-Range",)),
    },
    304: {"description": "The client's copy is current.", "headers": header_refs(("ETag",))},
    **declare(NotFound, RangeNotSatisfiable),
}
"""Responses with a recording, which FastAPI does not create."""

CONDITIONS: dict[str, Any] = {
    "parameters": [
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": description,
            "schema": {"type": "string"},
        }
        for name, description in {
            "Range": "Bytes to send, such as `bytes=0-1023`. One that is malformed is ignored.",
            "If-Range": "Send the range only if the recording has this ETag.",
            "If-None-Match": "Send the recording only if it has none of these ETags.",
        }.items()
    ]
}
"""Headers of conditional requests (RFC 9110)."""
