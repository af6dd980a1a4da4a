"""A small service with `Inside` and two faults: `uvicorn foreign_service:app`.

/books    needs a connection for 20 ms, and there are 2
/report   blocks the event loop for 0.3 s, every 20th time
/hello    answers at once
"""

import itertools
import time

import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.pool import QueuePool
from straingauge.inside import Inside

engine = sa.create_engine(
    "sqlite://",
    poolclass=QueuePool,
    pool_size=2,
    max_overflow=0,
    connect_args={"check_same_thread": False},
)
api = FastAPI()
numbers = itertools.count(1)


@api.get("/hello")
async def hello() -> str:
    """Answer at once."""
    return "hello"


@api.get("/books")
def books() -> int:
    """Keep the connection while something slow is done that does not need it."""
    with engine.connect() as connection:
        time.sleep(0.02)
        found = connection.execute(sa.text("SELECT 4711")).scalar_one()
        assert isinstance(found, int)
        return found


@api.get("/report")
async def report() -> str:
    """Compute, as it were, without `await`."""
    if next(numbers) % 20 == 0:
        time.sleep(0.3)  # noqa: ASYNC251  the fault
    return "report"


app = Inside(api, engine=engine)
