"""A portal behind a log-in form: run `python service.py 8443`.

It speaks TLS with a certificate of a private authority, lives below the path /portal, and asks for
a session cookie and a token against CSRF. Its members are member0 to member9999, their passwords
"password of member0" and so on; nothing is stored after it ends.
"""

import secrets
import ssl
import sys
from html import escape
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import certificates

BASE = "/portal"
FOLDER = Path(__file__).parent / "certificates"
MEMBERS = {f"member{n}": f"password of member{n}" for n in range(10_000)}
HIDDEN = '<input type="hidden" name="csrf_token" value="{token}">'
FORM = f'<form method="post" action="{{action}}">{HIDDEN}{{rest}}</form>'
LOG_IN = '<input name="name"><input name="password" type="password"><button>Log in</button>'
WRITE = '<textarea name="text"></textarea><button>Save</button>'


class Portal(ThreadingHTTPServer):
    """The server, with its sessions and the notes of its members."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, folder: Path = FOLDER) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.members: dict[str, str] = {}  # by session
        self.notes: dict[str, list[str]] = {}
        certificates.make(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "service.pem")
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"https://localhost:{self.server_port}{BASE}"


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the first answer waits for the receipt of TLS tickets
    server: Portal

    def do_GET(self) -> None:
        """Show the form, the notes of a member, or one note."""
        path, notes = self.path.removeprefix(BASE), self.server.notes.get(self.member, [])
        if path == "/login":
            self.show(self.form("login", LOG_IN))
        elif not self.member:
            self.redirect("/login")
        elif path == "/notes":
            listed = "".join(f"<li>{escape(each)}" for each in notes[-10:])
            self.show(f"<h1>Notes of {self.member}</h1>{listed}{self.form('notes', WRITE)}")
        elif (number := path.removeprefix("/notes/")).isdigit() and int(number) < len(notes):
            self.show(f"<p>{escape(notes[int(number)])}</p>")
        else:
            self.show("no such page", 404)

    def do_POST(self) -> None:
        """Log a member in, or save a note."""
        path = self.path.removeprefix(BASE)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        fields = {name: values[0] for name, values in parse_qs(body).items()}
        token = self.cookie("csrf")
        if not token or fields.get("csrf_token") != token:
            self.show("the token is wrong", 403)
        elif path == "/login":
            self.log_in(fields.get("name", ""), fields.get("password", ""))
        elif path == "/notes" and self.member:
            notes = self.server.notes.setdefault(self.member, [])
            notes.append(fields.get("text", ""))
            self.redirect(f"/notes/{len(notes) - 1}")
        else:
            self.redirect("/login")

    def log_in(self, name: str, password: str) -> None:
        """Begin a session, or show the form again."""
        if MEMBERS.get(name) != password:
            wrong = '<p class="error">The name or the password is wrong.</p>'
            self.show(self.form("login", wrong + LOG_IN))
            return
        session = secrets.token_urlsafe()
        self.server.members[session] = name
        self.redirect("/notes", f"session={session}; Path={BASE}; Secure; HttpOnly; SameSite=Lax")

    @property
    def member(self) -> str:
        """The member who has logged in; empty if none has."""
        return self.server.members.get(self.cookie("session"), "")

    def cookie(self, name: str) -> str:
        """Return the value of a cookie; empty if there is none."""
        found = SimpleCookie(self.headers.get("Cookie", "")).get(name)
        return found.value if found else ""

    def form(self, action: str, rest: str) -> str:
        """Return a form with the token against CSRF."""
        token = self.token = self.cookie("csrf") or secrets.token_urlsafe()
        return FORM.format(action=f"{BASE}/{action}", token=token, rest=rest)

    def show(self, content: str, status: int = 200) -> None:
        """Answer with a page."""
        body = f"<!doctype html><title>Portal</title>{content}".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        if not self.cookie("csrf") and (token := getattr(self, "token", "")):
            self.send_header("Set-Cookie", f"csrf={token}; Path={BASE}; Secure; SameSite=Lax")
        self.end_with(body)

    def redirect(self, path: str, cookie: str | None = None) -> None:
        """Answer with a redirect to a path."""
        self.send_response(303)
        self.send_header("Location", f"{BASE}{path}")
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.end_with(b"")

    def end_with(self, body: bytes) -> None:
        """End the answer with this body, in one piece."""
        self.send_header("Content-Length", str(len(body)))
        self._headers_buffer += [b"\r\n", body]  # type: ignore[attr-defined]
        self.flush_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing: a load test has its own record."""


if __name__ == "__main__":
    portal = Portal(int(sys.argv[1]) if len(sys.argv) > 1 else 8443)
    print(f"The portal listens at {portal.url}", flush=True)
    portal.serve_forever()
