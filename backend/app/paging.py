"""Keyset pagination: an opaque cursor and the `Link` header that carries it.

A cursor contains the id of the last row of a page, and its sort key unless that is personal. Every
page costs the same, and rows inserted in the meantime cause neither duplicates nor gaps.
"""

import base64
import uuid
from typing import Annotated
from urllib.parse import urlencode

import orjson
from fastapi import Query, Request
from pydantic import WithJsonSchema

from app.errors import BadRequest
from app.fields import reject_nul

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

MAX_CURSOR = 1024
CURSOR_SCHEMA = {
    "type": "string",
    "format": "cursor",
    "maxLength": MAX_CURSOR,
    "pattern": "^[A-Za-z0-9_-]+$",
}
CURSOR_HELP = (
    "Cursor from the `Link` header of a page: base64url, opaque, and only valid for the same list."
    " Another is a 400 with the code `bad_cursor`."
)

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows in one page.")]
Cursor = Annotated[
    str | None,
    Query(max_length=MAX_CURSOR, description=CURSOR_HELP),
    WithJsonSchema(CURSOR_SCHEMA),
]


def encode_cursor(key: str, row_id: uuid.UUID) -> str:
    """Encode the cursor for the page after a row; `key` is empty if the row has to be read."""
    return base64.urlsafe_b64encode(orjson.dumps([key, row_id.hex])).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[str, uuid.UUID]:
    """Decode a cursor to the sort key and id of a row.

    Raises:
        BadRequest: The cursor is invalid.
    """
    try:
        key, row_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return reject_nul(str(key)), uuid.UUID(row_id)
    except (ValueError, TypeError, AttributeError):  # binascii.Error is a ValueError
        raise invalid_cursor() from None


def invalid_cursor() -> BadRequest:
    """Create the error for a cursor that is damaged, or of another list."""
    return BadRequest("The cursor is invalid.", code="bad_cursor")


def next_link(request: Request, cursor: str) -> dict[str, str]:
    """Build the `Link` header to the next page (RFC 8288)."""
    query = [item for item in request.query_params.multi_items() if item[0] != "cursor"]
    target = f"{request.url.path}?{urlencode([*query, ('cursor', cursor)])}"
    return {"Link": f'<{target}>; rel="next"'}
