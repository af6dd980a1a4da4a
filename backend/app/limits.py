"""Largest request that the service accepts: header, connection, body and form.

`app.http_protocol` enforces the limits of headers and connections, `app.middleware.request_size`
those of targets and bodies, both before anything is parsed; `app.audio.multipart` those of forms.
Lengths of single texts stand in the schemas, which pydantic checks before their contents.
"""

from dataclasses import dataclass

KIB = 1024

MAX_HEADER_BYTES = 32 * KIB
"""Request line and headers together; nginx has the same default. An access token has 300 bytes."""
MAX_HEADERS = 100
"""Number of headers; the default of Apache. Browsers send about 20, and proxies add a few."""
MAX_TARGET_BYTES = 8 * KIB
"""Path and query. RFC 9112 (section 3) recommends at least 8,000 bytes; a cursor has 1,024."""
MAX_PIPELINED = 100
"""Requests that a client may send ahead on one connection, without waiting for a response."""

MAX_BODY_BYTES = 16 * KIB
"""Body of most requests. The largest valid one has three short texts, 9 KB if all is escaped."""
MAX_NOTES_BODY_BYTES = 256 * KIB
"""Body of a change to a session: 20,000 characters of notes are 240 KB if all are escaped."""
MAX_JSON_DEPTH = 16
"""Nesting of a JSON body. No request has more than one level."""
MAX_JSON_ELEMENTS = 200
"""Members of all objects and arrays in a JSON body. No request has more than ten."""

MAX_FORM_PARTS = 16
"""Parts of a form. An upload has up to four."""
MAX_PART_HEADERS = 16
MAX_FIELDS_BYTES = 128 * KIB
"""All fields of a form without the file: 20,000 characters of notes are 80 KB in UTF-8."""
MAX_FORM_PADDING_BYTES = 4 * KIB
"""Bytes before the first boundary or after the last one. Clients send none, or a line break."""
MAX_CONTENT_TYPE_BYTES = 512
"""A `Content-Type` with a boundary, which has up to 70 characters (RFC 2046, section 5.1.1)."""
_FORM_OVERHEAD_BYTES = MAX_FIELDS_BYTES + 64 * KIB

STALL_S = 10.0
"""Time after which a client that neither sends nor receives is disconnected, at most twice this."""
MIN_BODY_BYTES_PER_S = KIB
"""Slowest rate of a body; a slow mobile connection has 20 times as much."""
SEND_STALL_S = 60.0
"""The same for clients that do not read a response, because a player pauses while it has enough."""
MAX_CONNECTIONS = 10_000
"""Connections of one worker, if it may open twice as many files."""

_UPLOAD_PATH = "/api/sessions/upload"
_SESSIONS_PATH = "/api/sessions/"


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """Limit of a request body.

    Attributes:
        max_bytes: Largest body.
        is_stream: The endpoint reads the body in chunks; others receive it complete and checked.
    """

    max_bytes: int
    is_stream: bool = False


_DEFAULT = BodyLimit(MAX_BODY_BYTES)
_NOTES = BodyLimit(MAX_NOTES_BODY_BYTES)


def body_limit(method: str, path: str, max_upload_bytes: int) -> BodyLimit:
    """Return the limit of the body of a request."""
    if path.startswith(_UPLOAD_PATH):
        return BodyLimit(max_upload_bytes + _FORM_OVERHEAD_BYTES, is_stream=True)
    if method == "PATCH" and path.startswith(_SESSIONS_PATH):
        return _NOTES
    return _DEFAULT
