"""The list of sessions: the hottest read of the service.

PostgreSQL renders the rows as JSON itself, so nothing is done here per row: the text is only
joined, never parsed. `benchmarks/service.py` holds it against fetching rows and encoding them here.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

import asyncpg
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError, WithJsonSchema

from app.errors import BadRequest
from app.paging import (
    CURSOR_HELP,
    DEFAULT_LIMIT,
    MAX_CURSOR,
    MAX_LIMIT,
    decode_cursor,
    encode_cursor,
    next_link,
)
from app.sessions.models import Status
from app.sessions.schemas import SessionSummary


class ListQuery(BaseModel):
    """What may stand in the query of a list."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Rows in one page.")
    patient_id: Annotated[
        uuid.UUID | None, WithJsonSchema({"type": "string", "format": "uuid"})
    ] = Field(None, description="Only this patient's.")
    status: Annotated[Status | None, WithJsonSchema({"type": "string", "enum": list(Status)})] = (
        Field(None, description="Only those in this state.")
    )
    cursor: Annotated[str | None, WithJsonSchema({"type": "string"})] = Field(
        None, max_length=MAX_CURSOR, description=CURSOR_HELP
    )


_EVERYTHING = ListQuery()

QUERY_PARAMETERS = [
    {"name": name, "in": "query", "required": False, "schema": schema}
    for name, schema in ListQuery.model_json_schema()["properties"].items()
]
"""`ListQuery` for OpenAPI, since FastAPI does not see it."""


def list_query(request: Request) -> ListQuery:
    """Read the query here: FastAPI's way of doing it costs a quarter of the whole request.

    Raises:
        RequestValidationError: A parameter is wrong.
    """
    if not request.scope["query_string"]:
        return _EVERYTHING
    try:
        return ListQuery.model_validate(dict(request.query_params))
    except ValidationError as error:
        wrong = [{**item, "loc": ("query", *item["loc"])} for item in error.errors()]
        raise RequestValidationError(wrong) from error


@dataclass(frozen=True, slots=True)
class Page:
    """Rows as a JSON array, and the cursor of the next page if there is one."""

    body: bytes
    cursor: str | None


@cache
def _statement(*, patient: bool, status: bool, cursor: bool) -> str:
    """The query for one combination of filters; few enough to stay prepared on each connection.

    One row beyond the page tells whether there is a next one.
    """
    conditions, parameters = ["therapist_id = $1"], 2
    for wanted, condition in (
        (patient, "patient_id = ${}"),
        (status, "status = ${}"),
        (cursor, "(session_date, id) < (${}, ${})"),
    ):
        if wanted:
            numbers = [parameters + place + 1 for place in range(condition.count("{}"))]
            conditions.append(condition.format(*numbers))
            parameters += len(numbers)
    columns = ", ".join(SessionSummary.model_fields)
    return f"""
        WITH page AS MATERIALIZED (
            SELECT {columns} FROM sessions WHERE {" AND ".join(conditions)}
            ORDER BY session_date DESC, id DESC LIMIT $2 + 1
        )
        SELECT
            (SELECT string_agg(to_json(shown)::text, ',') FROM (SELECT * FROM page LIMIT $2) shown),
            last.session_date, last.id
        FROM (SELECT count(*) > $2 AS more FROM page) AS counted
        LEFT JOIN (SELECT session_date, id FROM page OFFSET $2 - 1 LIMIT 1) AS last ON counted.more
    """  # noqa: S608 -- put together from the lines above, nothing of a request's


async def read_page(
    connection: asyncpg.Connection, therapist_id: uuid.UUID, query: ListQuery
) -> Page:
    """Read one page of a therapist's sessions, newest first.

    Raises:
        BadRequest: The cursor is none of ours.
    """
    values: list[Any] = [therapist_id, query.limit]
    if query.patient_id is not None:
        values.append(query.patient_id)
    if query.status is not None:
        values.append(query.status)
    if query.cursor is not None:
        values += _position(query.cursor)
    statement = _statement(
        patient=query.patient_id is not None,
        status=query.status is not None,
        cursor=query.cursor is not None,
    )
    rows, last_date, last_id = await connection.fetchrow(statement, *values)
    after = encode_cursor(last_date.isoformat(), last_id) if last_id is not None else None
    return Page(f"[{rows or ''}]".encode(), after)


def _position(cursor: str) -> tuple[datetime, uuid.UUID]:
    key, row_id = decode_cursor(cursor)
    try:
        return datetime.fromisoformat(key).astimezone(UTC), row_id
    except (ValueError, OverflowError):
        raise BadRequest("The cursor is not one of ours.", code="bad_cursor") from None


def page_response(request: Request, page: Page) -> Response:
    """The page as an answer, with its `Link` to the next."""
    headers = next_link(request, page.cursor) if page.cursor is not None else None
    return Response(page.body, media_type="application/json", headers=headers)
