"""A small library service to load-test: `python service.py PORT [FILE]`.

It uses threads of the standard library, no framework, no accounts, and SQLite. The database is
FILE, or by default a temporary file.

    GET  /openapi.json        the OpenAPI document
    GET  /ready               200 once the books are stored
    GET  /books?title=TEXT    the first 20 books with this text in their title
    GET  /books/{isbn}        one book
    POST /loans               {"isbn": ..., "reader": ...}: borrow a book; 409 if it is lent
    GET  /metrics             number of loans, as Prometheus text
"""

import json
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

BOOKS = 2_000
WORDS = ("river", "winter", "garden", "letter", "harbour", "silence", "clock", "island", "bread")
OPENAPI = Path(__file__).with_name("openapi.json")

Reply = tuple[int, object]


class Shelf:
    """The books and their loans; each thread has a separate database connection."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("PRAGMA journal_mode = WAL")  # readers do not wait for a writer
            database.executescript(
                "CREATE TABLE IF NOT EXISTS books (isbn TEXT PRIMARY KEY, title TEXT NOT NULL);"
                "CREATE TABLE IF NOT EXISTS loans (isbn TEXT PRIMARY KEY, reader TEXT NOT NULL)"
            )
            rows = ((f"978-{number:06}", _title(number)) for number in range(BOOKS))
            database.executemany("INSERT OR IGNORE INTO books VALUES (?, ?)", rows)

    def find(self, title: str) -> Reply:
        """Return the first books with a text in their title."""
        rows = self._database.execute(
            "SELECT isbn, title FROM books WHERE instr(title, ?) ORDER BY isbn LIMIT 20", (title,)
        )
        return 200, [{"isbn": isbn, "title": text} for isbn, text in rows]

    def get(self, isbn: str) -> Reply:
        """Return one book."""
        row = self._database.execute(
            "SELECT title, reader FROM books LEFT JOIN loans USING (isbn) WHERE isbn = ?", (isbn,)
        ).fetchone()
        if row is None:
            return 404, {"detail": "no such book"}
        return 200, {"isbn": isbn, "title": row[0], "lent": row[1] is not None}

    def lend(self, loan: object) -> Reply:
        """Lend a book to one reader."""
        if not (isinstance(loan, dict) and {"isbn", "reader"} <= loan.keys()):
            return 422, {"detail": "a loan has an isbn and a reader"}
        try:
            with self._database as database:
                database.execute("INSERT INTO loans VALUES (?, ?)", (loan["isbn"], loan["reader"]))
        except sqlite3.IntegrityError:
            return 409, {"detail": "it is lent"}
        return 201, {"isbn": loan["isbn"], "reader": loan["reader"]}

    def loans(self) -> int:
        """Return the number of loans."""
        return int(self._database.execute("SELECT count(*) FROM loans").fetchone()[0])

    @property
    def _database(self) -> sqlite3.Connection:
        if not hasattr(self._local, "connection"):
            self._local.connection = sqlite3.connect(self._path, timeout=10)
        connection: sqlite3.Connection = self._local.connection
        return connection


class Handler(BaseHTTPRequestHandler):
    """A client's connection, which is kept alive."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes
    shelf: Shelf

    def do_GET(self) -> None:
        """Respond to a reader who searches."""
        url = urlsplit(self.path)
        if url.path == "/openapi.json":
            self._send(200, OPENAPI.read_bytes())
        elif url.path == "/metrics":
            self._send(200, f"loans {self.shelf.loans()}\n".encode(), "text/plain")
        elif url.path == "/books":
            self._reply(self.shelf.find, parse_qs(url.query).get("title", [""])[0])
        elif url.path.startswith("/books/"):
            self._reply(self.shelf.get, unquote(url.path.removeprefix("/books/")))
        elif url.path == "/ready":
            self._send(200, b'{"ready": true}')
        else:
            self._send(404, b'{"detail": "no such page"}')

    def do_POST(self) -> None:
        """Respond to a reader who borrows."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if urlsplit(self.path).path != "/loans":
            self._send(404, b'{"detail": "no such page"}')
            return
        try:
            loan = json.loads(body)
        except ValueError:
            self._send(422, b'{"detail": "not JSON"}')
            return
        self._reply(self.shelf.lend, loan)

    def log_message(self, *_: object) -> None:
        """Write no log, which would be measured as well."""

    def _reply(self, handle: Callable[[Any], Reply], argument: object) -> None:
        status, content = handle(argument)
        self._send(status, json.dumps(content).encode())

    def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """A server with a thread for each connection."""

    daemon_threads = True
    request_queue_size = 128


def _title(number: int) -> str:
    one, two = WORDS[number % len(WORDS)], WORDS[number // len(WORDS) % len(WORDS)]
    return f"The {one} and the {two}, volume {number}"


def main() -> None:
    """Serve on the port from the command line."""
    port, *named = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        Handler.shelf = Shelf(Path(named[0]) if named else Path(folder) / "shelf.sqlite")
        with Server(("127.0.0.1", int(port)), Handler) as server:
            print(f"bookshelf at http://127.0.0.1:{server.server_port}", flush=True)
            server.serve_forever()


if __name__ == "__main__":
    main()
