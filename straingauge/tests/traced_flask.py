"""A Flask service for tests of the explain pass: `traced_flask.py PORT`.

GET /orders/1 waits for itself, for PostgreSQL at DATABASE_URL, for the service at DEPENDENCY, and
for Redis at REDIS_URL, if that is set. GET /fail raises an exception.
"""

import os
import sys
import time

import psycopg
import redis
import requests
from flask import Flask

app = Flask(__name__)


@app.get("/orders/<int:number>")
def read_order(number: int) -> dict[str, int]:
    """Wait 20 ms for each of them; one statement runs four times."""
    time.sleep(0.02)
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("SELECT pg_sleep(0.02)")
        for line in range(4):
            connection.execute("SELECT %s::int AS order_line", (line,))
    requests.get(os.environ["DEPENDENCY"], timeout=10).raise_for_status()
    if "REDIS_URL" in os.environ:
        redis.Redis.from_url(os.environ["REDIS_URL"]).blpop(["nothing"], timeout=0.02)
    return {"number": number}


@app.get("/fail")
def fail() -> str:
    """Fail as a service does."""
    raise LookupError("no such order")


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), threaded=True)
