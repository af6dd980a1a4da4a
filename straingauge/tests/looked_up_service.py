"""A service that looks rows up without an index, for tests of what Locust sees inside.

`looked_up_service.py --fill` creates the table in the database at DATABASE_URL, and
`looked_up_service.py PORT` serves: GET /items/1 reads it, and GET /fail raises an exception.
"""

import logging
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg

ROWS = 20_000


def compute() -> None:
    """Use 5 ms of CPU time."""
    end_s = time.thread_time() + 0.005
    while time.thread_time() < end_s:
        pass


def fail() -> None:
    """Raise an exception."""
    raise LookupError("no such item")


class Handler(BaseHTTPRequestHandler):
    """Answers on connections that stay open, each of which has its connection to the database."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Connect to the database."""
        super().setup()
        self.database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)

    def finish(self) -> None:
        """Close the connection to the database."""
        self.database.close()
        super().finish()

    def log_message(self, *_: object) -> None:
        """Log exceptions only."""

    def do_GET(self) -> None:
        """Look a row up."""
        status = 200
        try:
            compute()
            if self.path == "/fail":
                fail()
            owner = self.path.rpartition("/")[2]
            self.database.execute("SELECT id FROM items WHERE owner = %s", (owner,)).fetchall()
        except LookupError:
            logging.getLogger("items").exception("no item")
            status = 500
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def fill() -> None:
    """Create the table."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE items (id int PRIMARY KEY, owner text NOT NULL)")
        connection.execute(
            "INSERT INTO items SELECT n, n::text FROM generate_series(1, %s) n", (ROWS,)
        )
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("ANALYZE items")


if __name__ == "__main__":
    if sys.argv[1] == "--fill":
        fill()
    else:
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
