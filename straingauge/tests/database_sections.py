"""The database section of a result, for loads on a real PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from stack_tools import eventually
from straingauge.observe.postgres import Database
from straingauge.result.assembly.database import database
from straingauge.result.format import resources


@contextmanager
def connect(url: str, **given: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose statements each stand alone."""
    with closing(psycopg.connect(make_conninfo(url, **given), autocommit=True)) as connection:
        yield connection


def figures(
    url: str, load: Callable[[Database], object], requests: int = 100
) -> resources.Database:
    """The database section for a load, which takes samples as it runs."""
    with closing(Database(url)) as watch:
        samples: list[dict[str, float]] = []
        look = watch.sample

        def kept() -> dict[str, float]:
            samples.append(look())
            return samples[-1]

        # Connections of an earlier test may be open until the server has noticed their end.
        assert eventually(lambda: not look().get("db_server_connections"))
        watch.sample = kept  # type: ignore[method-assign]
        watch.sample()
        watch.begin()
        load(watch)
        watch.sample()
        watch.end()
        found = database(watch.stats(), samples, requests)
    assert found is not None
    return found


def statement(found: resources.Database, part: str) -> resources.Statement:
    """The one statement that has this part."""
    (one,) = (each for each in found["statements"] or () if part in each["query"])
    return one
