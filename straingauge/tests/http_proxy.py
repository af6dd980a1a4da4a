"""A small HTTP proxy that asks for an account: load, with the password secret."""

import socket
import threading
import time
from contextlib import suppress
from typing import Final

from raw_server import Peer

DELAY_S: Final = 0.05


def proxying(peer: Peer) -> None:
    """Answer requests for a URL, and connect the rest to the host that CONNECT names."""
    while (request := peer.read()) is not None:
        if "Proxy-Authorization: Basic bG9hZDpzZWNyZXQ=" not in request.head:
            peer.answer(407)
        elif request.method != "CONNECT":
            time.sleep(DELAY_S)
            peer.answer(body=request.target.encode())
        else:
            host, _, port = request.target.partition(":")
            relay(peer.socket, host, int(port))
            return


def relay(client: socket.socket, host: str, port: int) -> None:
    """Pass bytes in both directions until one side closes."""
    with socket.create_connection((host, port)) as target:
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        back = threading.Thread(target=copy, args=(target, client))
        back.start()
        copy(client, target)
        back.join(5)


def copy(source: socket.socket, target: socket.socket) -> None:
    """Pass bytes on until they end."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
