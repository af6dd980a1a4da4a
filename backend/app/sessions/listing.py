"""The list of sessions, the most frequent request of the service.

PostgreSQL renders the rows as JSON, so Python does no work per row. `benchmarks/service.py`
compares this with fetching rows and encoding them in Python.
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

from app.paging import (
    CURSOR_HELP,
    CURSOR_SCHEMA,
    DEFAULT_LIMIT,
    MAX_CURSOR,
    MAX_LIMIT,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
    next_link,
)
from app.sessions.models import Status
from app.sessions.schemas import SessionSummary


class ListQuery(BaseModel):
    """Query parameters of a list."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Rows in one page.")
    patient_id: Annotated[
        uuid.UUID | None, WithJsonSchema({"type": "string", "format": "uuid"})
    ] = Field(None, description="Sessions of this patient only.")
    status: Annotated[Status | None, WithJsonSchema({"type": "string", "enum": list(Status)})] = (
        Field(None, description="Sessions with this status only.")
    )
    cursor: Annotated[str | None, WithJsonSchema(CURSOR_SCHEMA)] = Field(
        None, max_length=MAX_CURSOR, description=CURSOR_HELP
    )


_DEFAULT_QUERY = ListQuery()

QUERY_PARAMETERS = [
    {"name": name, "in": "query", "required": False, "schema": schema}
    for name, schema in ListQuery.model_json_schema()["properties"].items()
]
"""`ListQuery` for OpenAPI, because the endpoint parses the query without FastAPI."""


def list_query(request: Request) -> ListQuery:
    """Parse the query. FastAPI's own parsing would take a quarter of the whole request.

    Raises:
        RequestValidationError: A parameter is invalid.
    """
    if not request.scope["query_string"]:
        return _DEFAULT_QUERY
    try:
        return ListQuery.model_validate(dict(request.query_params))
    except ValidationError as error:
        errors = [{**item, "loc": ("query", *item["loc"])} for item in error.errors()]
        raise RequestValidationError(errors) from error


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        body: Rows as a JSON array.
        cursor: Cursor of the next page; None on the last page.
    """

    body: bytes
    cursor: str | None


@cache
def _statement(*, patient: bool, status: bool, cursor: bool) -> str:
    """Build the SQL for a combination of filters; few enough to stay prepared on a connection.

    It reads one row more than the page, to know whether there is a next page.
    """
    conditions, parameters = ["therapist_id = $1"], 2
    for enabled, condition in (
        (patient, "patient_id = ${}"),
        (status, "status = ${}"),
        (cursor, "(session_date, id) < (${}, ${})"),
    ):
        if enabled:
            numbers = [parameters + index + 1 for index in range(condition.count("{}"))]
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
    """  # noqa: S608 -- built from constants, without request data


async def read_page(
    connection: asyncpg.Connection, therapist_id: uuid.UUID, query: ListQuery
) -> Page:
    """Read one page of a therapist's sessions, newest first.

    Raises:
        BadRequest: The cursor is invalid.
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
        moment = datetime.fromisoformat(key)
        # Without an offset it would be in the time zone of this machine.
        position = None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        position = None
    if position is None:
        raise invalid_cursor()
    return position, row_id


def page_response(request: Request, page: Page) -> Response:
    """Create the response for a page, with a `Link` to the next page."""
    headers = next_link(request, page.cursor) if page.cursor is not None else None
    return Response(page.body, media_type="application/json", headers=headers)
