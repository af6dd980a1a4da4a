"""A local HTTP server that speaks the OpenAI protocol and says what a test tells it to."""

import json
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass
class Seen:
    """One request that arrived."""

    path: str
    authorization: str | None
    content_type: str
    body: bytes


@dataclass
class Answer:
    """What to say to one request."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class OpenAIDouble:
    """Answers in the order of `answers`, the last one again and again; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.seen: list[Seen] = []
        self._go = threading.Event()
        self._go.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def say(self, *answers: Answer) -> None:
        """Say these next."""
        self.answers = deque(answers)

    def hold(self) -> threading.Event:
        """Keep answers back until the event is set."""
        self._go = threading.Event()
        return self._go

    def _next(self) -> Answer:
        return self.answers.popleft() if len(self.answers) > 1 else self.answers[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self._read()
                kind = self.headers["Content-Type"]
                double.seen.append(Seen(self.path, self.headers["Authorization"], kind, body))
                double._go.wait(timeout=60)
                answer = double._next()
                text = answer.body if isinstance(answer.body, bytes) else _json(answer.body)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                with suppress(OSError):  # whoever asked may have been killed meanwhile
                    self.wfile.write(text)

            def _read(self) -> bytes:
                length = self.headers["Content-Length"]
                if length is not None:
                    return self.rfile.read(int(length))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        return Handler


def _json(body: object) -> bytes:
    return json.dumps(body).encode()


def chat(content: object) -> Answer:
    """A chat completion that says this."""
    text = content if isinstance(content, str) else json.dumps(content)
    return Answer({"choices": [{"message": {"role": "assistant", "content": text}}]})
