"""Small raw servers, so that a test decides about every byte and every ending."""

import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Exchange:
    """A request as the server saw it."""

    head: str
    body: bytes
    at_ns: int

    @property
    def method(self) -> str:
        """The request's method."""
        return self.head.split(" ", 1)[0]

    @property
    def target(self) -> str:
        """Path and query."""
        return self.head.split(" ", 2)[1]


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, server: "Server") -> None:
        self.socket = sock
        self.server = server
        self._received = b""

    def read(self) -> Exchange | None:
        """The next request, None when the client has closed."""
        while b"\r\n\r\n" not in self._received:
            if not (data := self.socket.recv(65536)):
                return None
            self._received += data
        head, _, rest = self._received.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        chunks = [rest]
        while sum(map(len, chunks)) < length:
            if not (data := self.socket.recv(1 << 20)):
                return None
            chunks.append(data)
        whole = b"".join(chunks)
        self._received = whole[length:]
        exchange = Exchange(head.decode("latin-1"), whole[:length], time.monotonic_ns())
        self.server.requests.append(exchange)
        return exchange

    def answer(self, status: int = 200, body: bytes = b"{}", headers: str = "") -> None:
        """A proper response."""
        head = f"HTTP/1.1 {status} Word\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        self.socket.sendall(head.encode() + body)

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        linger_nothing = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_nothing)
        self.socket.close()


Handler = Callable[[Peer], None]


@dataclass
class Server:
    """A server, with what it has received so far."""

    port: int = 0
    connections: int = 0
    requests: list[Exchange] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serve(
    handler: Handler, tls: ssl.SSLContext | None = None, *, path: Path | None = None
) -> Iterator[Server]:
    """A server that runs `handler` once for each connection, each in its thread.

    It listens on a free port, or on a socket file.
    """
    if path is None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        server = Server(listener.getsockname()[1])
    else:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen(512)
        server = Server()
    threads: list[threading.Thread] = []

    def attend(sock: socket.socket) -> None:
        # However a connection ends: what the client made of it is what the tests look at.
        with suppress(OSError), sock:
            if path is None:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                sock = tls.wrap_socket(sock, server_side=True)
            with sock:
                handler(Peer(sock, server))

    def accept() -> None:
        with suppress(OSError):  # closed at the end
            while True:
                sock, _ = listener.accept()
                server.connections += 1
                threads.append(threading.Thread(target=attend, args=(sock,), daemon=True))
                threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        # Closing alone would not wake the thread that accepts.
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for thread in threads:
            thread.join(5)


def answering(status: int = 200, body: bytes = b"{}", headers: str = "") -> Handler:
    """Answers each request the same, as long as the client asks."""

    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            peer.answer(status, body, headers)

    return handler


def hang_up(peer: Peer) -> None:
    """Close instead of an answer."""
    peer.read()


def saying(data: bytes) -> Handler:
    """Say this, whatever was asked, and close."""

    def handler(peer: Peer) -> None:
        peer.read()
        peer.socket.sendall(data)

    return handler


def certified(path: Path, host: str) -> Path:
    """A self-signed certificate for a host, with its key, made for this run."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "1", "-subj", f"/CN={host}",
         "-addext", f"subjectAltName=DNS:{host}",
         "-keyout", str(path), "-out", f"{path}.crt"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def speaking_tls(certificate: Path) -> ssl.SSLContext:
    """A server's side of TLS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    return tls
