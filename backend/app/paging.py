"""Walking a long list page by page: an opaque cursor, and the `Link` header that carries it.

A cursor holds the sort key and id of the last row of a page (keyset paging), so a page costs the
same however deep it lies, and rows that arrive meanwhile neither repeat nor hide others.
"""

import base64
import uuid
from typing import Annotated
from urllib.parse import urlencode

import orjson
from fastapi import Query, Request

from app.errors import BadRequest
from app.fields import without_nul

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

MAX_CURSOR = 1024
CURSOR_HELP = 'From the `Link: rel="next"` of a page.'

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows in one page.")]
Cursor = Annotated[str | None, Query(max_length=MAX_CURSOR, description=CURSOR_HELP)]


def encode_cursor(key: str, row_id: uuid.UUID) -> str:
    """The cursor that continues after a row."""
    return base64.urlsafe_b64encode(orjson.dumps([key, row_id.hex])).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[str, uuid.UUID]:
    """The sort key and id in a cursor.

    Raises:
        BadRequest: It is none of ours.
    """
    try:
        key, row_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return without_nul(str(key)), uuid.UUID(row_id)
    except (ValueError, TypeError, AttributeError):  # binascii's error is a ValueError
        raise BadRequest("The cursor is not one of ours.", code="bad_cursor") from None


def next_link(request: Request, cursor: str) -> dict[str, str]:
    """The `Link` header of a page that has a next one (RFC 8288)."""
    query = [(name, value) for name, value in request.query_params.multi_items()]
    kept = [(name, value) for name, value in query if name != "cursor"]
    target = f"{request.url.path}?{urlencode([*kept, ('cursor', cursor)])}"
    return {"Link": f'<{target}>; rel="next"'}
