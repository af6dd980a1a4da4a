import pytest
from straingauge.errors import UsageError
from straingauge.observe.postgres_url import (
    check_scheme,
    connection_parameters,
    hide_password,
    with_database,
)

FULL = {"user": "u", "password": "p", "host": "h", "port": "5433", "dbname": "d"}


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("postgresql://u:p@h:5433/d", {}),
        ("postgres://u:p@h:5433/d", {}),
        ("postgresql+asyncpg://u:p@h:5433/d?prepared_statement_cache_size=0", {}),
        ("postgresql+asyncpg://u:p@h:5433/d?ssl=disable", {"sslmode": "disable"}),
        ("postgres://u:p@h:5433/d?ssl=true", {"sslmode": "require"}),
        ("postgres://u:p@h:5433/d?ssl=verify-full", {"sslmode": "verify-full"}),
        ("postgres://u:p@h:5433/d?sslmode=no-verify", {"sslmode": "require"}),
        ("postgresql://u:p@h:5433/d?sslmode=verify-ca&ssl=true", {"sslmode": "verify-ca"}),
        ("postgresql://u:p@h:5433/d?schema=public&connection_limit=5&pgbouncer=true", {}),
        ("postgis://u:p@h:5433/d?pool=true&conn_max_age=60", {}),
        ("jdbc:postgresql://h:5433/d?user=u&password=p&ssl=false", {"sslmode": "disable"}),
        ("postgresql://u:p@h:5433/d?application_name=a%20b", {"application_name": "a b"}),
        ("postgresql://u:p@/d?host=%2Frun%2Fpg&port=5433", {"host": "/run/pg"}),
        ("postgresql://u:p@%2Frun%2Fpg:5433/d", {"host": "/run/pg"}),
        ("postgresql://u:p@[::1]:5433/d", {"host": "::1"}),
        ("postgresql://u:p@h,i:5433/d", {"host": "h,i", "port": ",5433"}),
        ("postgresql://h:5433/d?user=u&password=p&options=-c%20a=b@c", {"options": "-c a=b@c"}),
        ("postgresql+asyncpg://u:p@h:5433/?database=d", {}),
        ("host=h port=5433 user=u password=p dbname=d", {}),
    ],
)
def test_url_options_are_read_or_ignored(url: str, options: dict[str, str]):
    """URLs of drivers and frameworks name the same database as that of libpq."""
    assert connection_parameters(url) == FULL | options


@pytest.mark.parametrize("password", ["a@b", "a:b@c", "a/b", "a?b", "a#b", "a%b", "a%zz", "a b"])
def test_passwords_may_have_any_character(password: str):
    """A password with characters that a URL should quote is read as it stands."""
    found = connection_parameters(f"postgresql://u:{password}@h:5433/d")
    assert found == FULL | {"password": password}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql+pymysql://u:hush@h/d", "not mysql"),
        ("sqlite:///./hush.db", "not sqlite"),
        ("mongodb+srv://u:hush@h/d", "not mongodb"),
        ("u:hush@h/d", "not valid"),
        ("hush", "not valid"),
        ("postgresql://u:hush@h:5433:1/d", "not valid"),
        ("postgresql://u:hush@h:port/d", "not valid"),
    ],
)
def test_other_databases_are_an_error_without_the_password(url: str, reason: str):
    """The error names the scheme, and nothing else of the URL."""
    with pytest.raises(UsageError, match=reason) as error:
        connection_parameters(url)
    assert "hush" not in error.value.with_hint


def test_scheme_is_checked_without_the_driver():
    """Another kind of database is known by the scheme."""
    with pytest.raises(UsageError, match="not mysql"):
        check_scheme("mysql://u:p@h/d")
    check_scheme("postgresql+psycopg://u:p@h/d")
    check_scheme("host=h")


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("postgresql://u:p@h:5433/d", "postgresql://u:p@h:5433/x"),
        ("postgresql+asyncpg://u:p@h/d?ssl=disable", "postgresql+asyncpg://u:p@h/x?ssl=disable"),
        ("postgresql://u:a@b/c@h", "postgresql://u:a@b/c@h/x"),
        ("postgresql:///d?host=/run/pg", "postgresql:///x?host=/run/pg"),
        ("postgresql://h?dbname=d&user=u", "postgresql://h/x?user=u"),
        ("postgresql+asyncpg://h/?database=d&user=u", "postgresql+asyncpg://h/x?user=u"),
    ],
)
def test_another_database_of_the_same_server(url: str, other: str):
    """The URL of another database keeps everything else."""
    assert with_database(url, "x") == other
    assert connection_parameters(other) == connection_parameters(url) | {"dbname": "x"}


def test_messages_have_no_password():
    """A password is hidden in a message as it is and as it stands in the URL."""
    message = 'no "p@ss" and no "p%40ss"'
    assert hide_password(message, {"password": "p@ss"}) == 'no "***" and no "***"'
