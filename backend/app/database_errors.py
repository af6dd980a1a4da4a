"""Responses for errors of the database.

PostgreSQL checks constraints after all checks of the service, so a violation is a race (the account
was deleted, the address was taken) or a value that no check refused. Neither is a failure of the
service. The log names the error without its message, which can hold personal data.
"""

import logging
from collections.abc import Callable
from functools import partial

import asyncpg
from fastapi import FastAPI, Request, Response
from sqlalchemy.exc import DBAPIError

from app.errors import (
    AppError,
    Conflict,
    NotFound,
    Unauthorized,
    Unavailable,
    Unprocessable,
    error_response,
)

logger = logging.getLogger(__name__)

# Errors of an open connection that mean that the server is shutting down or out of connections.
CONNECTION_LOST_ERRORS = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
)
CONNECT_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError)
"""Errors of opening a connection: a server that is not there, is starting or is full, among them.
"""
_TEMPORARY = (
    asyncpg.TransactionRollbackError,  # deadlocks among them
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.InsufficientResourcesError,  # a full disk among them
    asyncpg.ReadOnlySQLTransactionError,  # a standby, during a failover
)
_INVALID_VALUE = (
    asyncpg.DataError,  # refused by PostgreSQL
    asyncpg.exceptions._base.DataError,  # noqa: SLF001 -- refused by asyncpg; has no public name
    asyncpg.NotNullViolationError,
    asyncpg.CheckViolationError,
)

_Make = Callable[[], AppError]


def account_deleted() -> Unauthorized:
    """Create the error for a token or login of an account that was deleted."""
    return Unauthorized("This account no longer exists.", code="account_deleted")


_BY_CONSTRAINT: dict[str, _Make] = {
    "uq_users_email": partial(
        Conflict, "This e-mail address already has an account.", code="email_taken"
    ),
    "fk_patients_therapist_id_users": account_deleted,
    "fk_sessions_therapist_id_users": account_deleted,
    "fk_token_families_user_id_users": account_deleted,
    "fk_sessions_patient_id_patients": partial(NotFound, "The patient does not exist."),
}


def database_unavailable() -> Unavailable:
    """Create the error for requests that need the database while it is unavailable."""
    return Unavailable("The database is unavailable.", code="database_unavailable")


def as_app_error(error: Exception) -> AppError | None:
    """Convert an error of SQLAlchemy or asyncpg; None for an unexpected error."""
    cause: BaseException | None = error
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return database_unavailable()
        cause = getattr(error.orig, "__cause__", None)  # SQLAlchemy keeps asyncpg's error there
    if isinstance(cause, CONNECTION_LOST_ERRORS):
        return database_unavailable()
    constraint = getattr(cause, "constraint_name", None)
    if constraint in _BY_CONSTRAINT:
        return _BY_CONSTRAINT[constraint]()
    converted: AppError
    if isinstance(cause, _TEMPORARY):
        converted = Unavailable("The database is busy. Try again.", code="database_busy")
    elif isinstance(cause, _INVALID_VALUE):
        message = "The request has a value that cannot be stored."
        converted = Unprocessable(message, details=[])
    elif isinstance(cause, asyncpg.IntegrityConstraintViolationError):
        converted = Conflict("Another request has changed the same data. Try again.")
    else:
        return None
    logger.warning(
        "the database refused a statement: %s, constraint %s", type(cause).__name__, constraint
    )
    return converted


async def _handle(_request: Request, error: Exception) -> Response:
    converted = as_app_error(error)
    if converted is None:
        raise error
    return error_response(converted)


def install(app: FastAPI) -> None:
    """Register the handler of all errors of the database."""
    for error_type in (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError):
        app.add_exception_handler(error_type, _handle)
