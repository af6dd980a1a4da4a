"""A small library service to put load on: `python service.py PORT [FILE]`.

Unlike what straingauge grew up with on purpose: the standard library's threads, no framework, no
accounts, and SQLite for a database, in FILE or, unless one is named, in a file of its own that goes
when it does.

    GET  /openapi.json        what there is
    GET  /ready               200 once the shelf is filled
    GET  /books?title=TEXT    the first 20 whose title has it
    GET  /books/{isbn}        one
    POST /loans               {"isbn": ..., "reader": ...}: borrow a book; 409 when it is lent
    GET  /metrics             how many loans there are, as Prometheus text
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

Answer = tuple[int, object]


class Shelf:
    """The books and who has them; each thread has a connection of its own."""

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

    def find(self, title: str) -> Answer:
        """The first books whose title has that text."""
        rows = self._database.execute(
            "SELECT isbn, title FROM books WHERE instr(title, ?) ORDER BY isbn LIMIT 20", (title,)
        )
        return 200, [{"isbn": isbn, "title": text} for isbn, text in rows]

    def one(self, isbn: str) -> Answer:
        """One book, and whether it is lent."""
        row = self._database.execute(
            "SELECT title, reader FROM books LEFT JOIN loans USING (isbn) WHERE isbn = ?", (isbn,)
        ).fetchone()
        if row is None:
            return 404, {"detail": "no such book"}
        return 200, {"isbn": isbn, "title": row[0], "lent": row[1] is not None}

    def lend(self, loan: object) -> Answer:
        """Lend a book, to one reader only."""
        if not (isinstance(loan, dict) and {"isbn", "reader"} <= loan.keys()):
            return 422, {"detail": "a loan has an isbn and a reader"}
        try:
            with self._database as database:
                database.execute("INSERT INTO loans VALUES (?, ?)", (loan["isbn"], loan["reader"]))
        except sqlite3.IntegrityError:
            return 409, {"detail": "it is lent"}
        return 201, {"isbn": loan["isbn"], "reader": loan["reader"]}

    def loans(self) -> int:
        """How many books are lent."""
        return int(self._database.execute("SELECT count(*) FROM loans").fetchone()[0])

    @property
    def _database(self) -> sqlite3.Connection:
        if not hasattr(self._local, "connection"):
            self._local.connection = sqlite3.connect(self._path, timeout=10)
        connection: sqlite3.Connection = self._local.connection
        return connection


class Handler(BaseHTTPRequestHandler):
    """One connection, kept alive."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes
    shelf: Shelf

    def do_GET(self) -> None:
        """Answer a reader who looks."""
        url = urlsplit(self.path)
        if url.path == "/openapi.json":
            self._send(200, OPENAPI.read_bytes())
        elif url.path == "/metrics":
            self._send(200, f"loans {self.shelf.loans()}\n".encode(), "text/plain")
        elif url.path == "/books":
            self._answer(self.shelf.find, parse_qs(url.query).get("title", [""])[0])
        elif url.path.startswith("/books/"):
            self._answer(self.shelf.one, unquote(url.path.removeprefix("/books/")))
        elif url.path == "/ready":
            self._send(200, b'{"ready": true}')
        else:
            self._send(404, b'{"detail": "no such page"}')

    def do_POST(self) -> None:
        """Answer a reader who borrows."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if urlsplit(self.path).path != "/loans":
            self._send(404, b'{"detail": "no such page"}')
            return
        try:
            loan = json.loads(body)
        except ValueError:
            self._send(422, b'{"detail": "not JSON"}')
            return
        self._answer(self.shelf.lend, loan)

    def log_message(self, *_: object) -> None:
        """Nothing: a line for each request would be measured."""

    def _answer(self, ask: Callable[[Any], Answer], about: object) -> None:
        status, content = ask(about)
        self._send(status, json.dumps(content).encode())

    def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """A thread for each connection."""

    daemon_threads = True
    request_queue_size = 128


def _title(number: int) -> str:
    one, two = WORDS[number % len(WORDS)], WORDS[number // len(WORDS) % len(WORDS)]
    return f"The {one} and the {two}, volume {number}"


def main() -> None:
    """Serve at the port named on the command line."""
    port, *named = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        Handler.shelf = Shelf(Path(named[0]) if named else Path(folder) / "shelf.sqlite")
        with Server(("127.0.0.1", int(port)), Handler) as server:
            print(f"bookshelf at http://127.0.0.1:{server.server_port}", flush=True)
            server.serve_forever()


if __name__ == "__main__":
    main()
