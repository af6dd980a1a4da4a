"""A server that speaks the comment APIs of GitHub and GitLab, and jobs that use it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "made-up-token"


class Forge(ThreadingHTTPServer):
    """The comments of one pull request, and the requests that were received."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: dict[int, str] = {}
        self.received: list[tuple[str, str]] = []
        self.answer: tuple[int, bytes] | None = None

    @property
    def url(self) -> str:
        """The API's base URL."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Lists, adds and replaces comments as both APIs do."""

    server: Forge

    def do_GET(self) -> None:
        """List a page of the comments."""
        query = parse_qs(urlsplit(self.path).query)
        size, page = int(query["per_page"][0]), int(query["page"][0])
        rows = [self._row(number) for number in sorted(self.server.bodies)]
        self._answer(200, rows[(page - 1) * size : page * size])

    def do_POST(self) -> None:
        """Add a comment."""
        self._store(1 + max(self.server.bodies, default=0))

    def do_PATCH(self) -> None:
        """Replace a comment on GitHub."""
        self._store(int(self.path.rpartition("/")[2]))

    def do_PUT(self) -> None:
        """Replace a comment on GitLab."""
        self.do_PATCH()

    def _store(self, number: int) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies[number] = content["body"]
        self._answer(201, self._row(number))

    def _row(self, number: int) -> dict[str, Any]:
        url = f"https://forge.example/shop/7#{number}"
        return {"id": number, "body": self.server.bodies[number], "html_url": url}

    def _answer(self, status: int, content: object) -> None:
        self.server.received.append((self.command, urlsplit(self.path).path))
        secrets = self.headers["Authorization"], self.headers["PRIVATE-TOKEN"]
        assert f"Bearer {TOKEN}" in secrets or TOKEN in secrets
        status, body = self.server.answer or (status, json.dumps(content).encode())
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Log nothing."""


@contextmanager
def running_forge() -> Iterator[Forge]:
    """An API without comments."""
    with Forge() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def github(forge: Forge, **changed: str) -> dict[str, str]:
    """Environment variables of a job of GitHub Actions for pull request 7."""
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": forge.url,
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_REF": "refs/pull/7/merge",
        "GITHUB_TOKEN": TOKEN,
        "GITLAB_CI": "",
        **changed,
    }


def gitlab(forge: Forge) -> dict[str, str]:
    """Environment variables of a job of GitLab CI for merge request 7."""
    return {
        "GITHUB_ACTIONS": "",
        "GITLAB_CI": "true",
        "CI_API_V4_URL": forge.url,
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_PROJECT_ID": "31",
        "CI_MERGE_REQUEST_PROJECT_URL": "https://forge.example/acme/shop",
        "GITLAB_TOKEN": TOKEN,
    }
