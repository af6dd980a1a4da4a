"""Connections of the worker processes to their coordinator, each read by a thread."""

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import (
    Connection,
    Listener,
    answer_challenge,
    deliver_challenge,
)

from straingauge.workers.messages import Disconnect, FromWorker, Hello, ToWorker, Welcome


@dataclass(slots=True)
class _Worker:
    connection: Connection
    last_message_s: float
    dropped: str | None = None  # why its connection was closed


class WorkerConnections:
    """Authenticated connections on 127.0.0.1, by the names of the worker processes.

    Args:
        lock: Guards the connections; held while `joined` and `lost` are called, and by callers of
            `names`, `send` and `drop_silent`.
        joined: Called with the first message of a process, which is then connected.
        received: Called with the name of a process and each of its further messages.
        lost: Called with the name of a process that is no longer connected, and the reason.
    """

    def __init__(
        self,
        lock: threading.RLock,
        *,
        joined: Callable[[Hello], None],
        received: Callable[[str, FromWorker], None],
        lost: Callable[[str, str], None],
    ) -> None:
        self._lock = lock
        self._joined = joined
        self._received = received
        self._lost = lost
        self._secret = secrets.token_bytes(32)
        # Without a key: a silent client would keep accept() from serving all others.
        self._listener = Listener(("127.0.0.1", 0), backlog=128)
        self._listening_at: tuple[str, int] = self._listener.address
        self._workers: dict[str, _Worker] = {}
        self._closing = threading.Event()
        self._accepting = _thread(self._accept)

    def start(self) -> None:
        """Accept connections from now on."""
        self._accepting.start()

    @property
    def info(self) -> dict[str, str | int]:
        """Address and secret for a worker process; plain values, for that process only."""
        host, port = self._listening_at
        return {"host": host, "port": port, "secret": self._secret.hex()}

    @property
    def names(self) -> list[str]:
        """The connected processes."""
        return list(self._workers)

    def send(self, outbox: Mapping[str, ToWorker]) -> None:
        """Send a message to each of these processes that is connected."""
        for name, message in outbox.items():
            worker = self._workers.get(name)
            if worker is not None:
                with contextlib.suppress(OSError):  # it has just ended: its own thread handles that
                    worker.connection.send(message)

    def drop_silent(self, timeout_s: Callable[[str], float | None]) -> None:
        """Disconnect processes that are silent for longer than the timeout for their name.

        Their threads then handle the loss.
        """
        now_s = time.monotonic()
        for name, worker in self._workers.items():
            limit_s = timeout_s(name)
            if limit_s is not None and now_s - worker.last_message_s > limit_s:
                worker.dropped = f"it sent nothing for {limit_s:g} s"
                _shut_down(worker.connection)

    def close(self) -> None:
        """Close all connections, and accept no more."""
        self._closing.set()
        with self._lock:
            for worker in self._workers.values():
                _shut_down(worker.connection)
        with contextlib.suppress(OSError):  # wakes accept()
            socket.create_connection(self._listening_at).close()
        self._accepting.join(timeout=5.0)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection = self._listener.accept()
            except OSError:
                continue  # it disconnected before it was accepted
            if self._closing.is_set():
                connection.close()
            else:
                _thread(self._serve, connection).start()

    def _serve(self, connection: Connection) -> None:
        name = None
        disconnected = False
        try:
            deliver_challenge(connection, self._secret)
            answer_challenge(connection, self._secret)
            hello = connection.recv()
            name = hello.name
            self._welcome(hello, connection)
            while not disconnected:
                message: FromWorker = connection.recv()
                disconnected = isinstance(message, Disconnect)
                self._workers[name].last_message_s = time.monotonic()
                self._received(name, message)
        except (AuthenticationError, EOFError, OSError):
            pass  # not authenticated, or the process has ended: handled in _lose
        finally:
            # Closed last: until it is removed, other threads may shut it down by its descriptor.
            if name is not None:
                self._lose(name, expected=disconnected)
            connection.close()

    def _welcome(self, hello: Hello, connection: Connection) -> None:
        with self._lock:
            if self._closing.is_set():
                raise EOFError
            self._joined(hello)
            self._workers[hello.name] = _Worker(connection, time.monotonic())
            connection.send(Welcome())

    def _lose(self, name: str, *, expected: bool) -> None:
        with self._lock:
            worker = self._workers.pop(name, None)
            reason = (
                "its session ended" if expected else "its connection was lost: killed, or crashed"
            )
            self._lost(name, worker.dropped or reason if worker is not None else reason)


def _thread(target: Callable[..., None], *args: object) -> threading.Thread:
    return threading.Thread(target=target, args=args, name="straingauge-coordinator", daemon=True)


def _shut_down(connection: Connection) -> None:
    """Shut down a connection that another thread reads; closing it would leave that waiting."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as stream:
        stream.shutdown(socket.SHUT_RDWR)
