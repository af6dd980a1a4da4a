"""Database URLs as services write them, read for PostgreSQL's client library.

Drivers and frameworks put their own names into the scheme and their own options into the query,
which libpq rejects: `postgresql+asyncpg://...?ssl=require&prepared_statement_cache_size=0`.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

from straingauge.errors import UsageError

HINT: Final = "write postgresql://user:password@host:5432/name"
# The usual names, and those of dj-database-url and django-environ.
SCHEMES: Final = {"postgresql", "postgres", "pgsql", "psql", "postgis", "timescale", "timescalegis"}
# `ssl` of asyncpg, node-postgres and JDBC, and a mode of node-postgres.
SSL_MODES: Final = {
    **{mode: mode for mode in ("disable", "allow", "prefer", "require", "verify-ca")},
    "verify-full": "verify-full",
    **dict.fromkeys(("true", "1", "yes", "on", "no-verify"), "require"),
    **dict.fromkeys(("false", "0", "no", "off"), "disable"),
}
DATABASE_NAMES: Final = ("dbname", "database")  # the second is that of asyncpg
MIN_SECRET_CHARS: Final = 3  # without shorter ones messages would be illegible

_URL = re.compile(r"(?:jdbc:)?([a-z][a-z0-9]*)(?:[+.-][\w.+-]*)?://(.*)", re.IGNORECASE | re.DOTALL)
_REST = re.compile(
    r"(?:(?P<user>[^:]*?)(?::(?P<password>.*))?@)?(?P<hosts>[^@/?]*)(?:/(?P<name>[^?@]*))?"
    r"(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_QUERY_WITH_AT = re.compile(r"[^@?]*\?[^@=]*=.*", re.DOTALL)  # the "@" is in the query
_HOST = re.compile(r"(?:\[(?P<ipv6>[^\]]*)\]|(?P<host>[^:]*))(?::(?P<port>\d*))?")


def connection_parameters(url: str) -> dict[str, str]:
    """Return the parameters of libpq that a database URL stands for.

    Options of other drivers and of pools are ignored. A connection string of libpq
    (``host=localhost dbname=name``) is read as it is.

    Raises:
        UsageError: This is no URL of a PostgreSQL database. The message quotes its scheme only,
            because any other part may be a password.
    """
    if "://" not in url:
        return _connection_string(url)
    from psycopg.pq import Conninfo

    parts = _parts(url)
    hosts = [_HOST.fullmatch(each) for each in unquote(parts["hosts"]).split(",")]
    if None in hosts:
        raise UsageError("the database URL is not valid: its host cannot be read", hint=HINT)
    ports = [host["port"] or "" for host in hosts if host]
    found = {
        "user": unquote(parts["user"]),
        "password": unquote(parts["password"]),
        "host": ",".join(host["ipv6"] or host["host"] or "" for host in hosts if host),
        "port": ",".join(ports) if any(ports) else "",
        "dbname": unquote(parts["name"]),
        **_options(parts["query"]),
    }
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    return {name: value for name, value in found.items() if value and name in known}


def check_scheme(url: str) -> None:
    """Raise UsageError for the URL of another kind of database, or of none."""
    if "://" in url:
        _parts(url)


def with_database(url: str, name: str) -> str:
    """Return the URL of another database of the same server.

    Raises:
        UsageError: This is no URL of a PostgreSQL database.
    """
    parts = _parts(url)
    start = url.index("://") + 3
    userinfo, at, _ = url[start:].rpartition("@" + parts["hosts"])
    query = urlencode(
        [pair for pair in _pairs(parts["query"]) if pair[0] not in DATABASE_NAMES], safe="/,:"
    )
    head = f"{url[:start]}{userinfo}{at or parts['hosts']}/{quote(name)}"
    return f"{head}?{query}" if query else head


def hide_password(message: str, parameters: Mapping[str, str]) -> str:
    """Return a message of the driver without the password."""
    for name in ("password", "sslpassword"):
        secret = parameters.get(name, "")
        for text in {secret, quote(secret, safe="")}:
            if len(text) >= MIN_SECRET_CHARS:
                message = message.replace(text, "***")
    return message


def _parts(url: str) -> dict[str, str]:
    found = _URL.fullmatch(url.strip())
    if found is None:
        raise UsageError("the database URL is not valid", hint=HINT)
    scheme, rest = found[1].lower(), found[2]
    if scheme not in SCHEMES:
        raise UsageError(f"only PostgreSQL can be observed, not {scheme}")
    tail = ""
    if _QUERY_WITH_AT.fullmatch(rest):
        rest, _, tail = rest.partition("?")
    parts = _REST.fullmatch(rest)
    if parts is None:
        raise UsageError("the database URL is not valid", hint=HINT)
    given = {name: value or "" for name, value in parts.groupdict().items()}
    return given | ({"query": tail} if tail else {})


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)


def _options(query: str) -> dict[str, str]:
    """Return the options in a query, under libpq's names."""
    options = {name: value for name, value in _pairs(query) if value}
    mode = SSL_MODES.get((options.get("sslmode") or options.pop("ssl", "")).lower())
    options.pop("sslmode", None)
    if "database" in options:
        options.setdefault("dbname", options["database"])
    return options | ({"sslmode": mode} if mode else {})


def _connection_string(text: str) -> dict[str, str]:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        found = conninfo_to_dict(text)
    except psycopg.ProgrammingError:  # its message may quote the password
        raise UsageError("the database URL is not valid", hint=HINT) from None
    return {name: str(value) for name, value in found.items()}
