"""Opening connections: the IP addresses of the target race (RFC 8305, Happy Eyeballs)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from straingauge.engine.connection import AnyConnection, Connection, ConnectionOwner
from straingauge.engine.route import Route
from straingauge.engine.run_context import RunContext
from straingauge.http import RequestFailed
from straingauge.http.address import connect_failure, connect_timeout_failure
from straingauge.http.proxy import Tunnel

# RFC 8305, section 5: the recommended delay of the next attempt.
_ATTEMPT_DELAY_S: Final = 0.25
_RECEIVE_BYTES: Final = 4096

_P = TypeVar("_P", bound=asyncio.Protocol)
_Attempt: TypeAlias = "asyncio.Task[AnyConnection]"


async def connect(
    owner: ConnectionOwner, context: RunContext, route: Route
) -> AnyConnection | RequestFailed:
    """Open a connection within its time limit, or return why there is none."""
    timeout_s = route.address.settings.connect_timeout_s
    if timeout_s is None:
        return await _connect(owner, context, route)
    try:
        async with asyncio.timeout(timeout_s):
            return await _connect(owner, context, route)
    except TimeoutError:
        return connect_timeout_failure(timeout_s)


async def _connect(
    owner: ConnectionOwner, context: RunContext, route: Route
) -> AnyConnection | RequestFailed:
    """Open a connection, or return why there is none.

    `localhost` often has two addresses of which only one is listened on, and an address may not
    respond at all. So the next one is tried when one fails, or after 250 ms; the first connection
    is used, and its address alone is tried from then on, unless it fails.
    """
    address = route.address
    is_only = len(address.ips) == 1
    if is_only or address.has_accepted:
        try:
            return await _open(owner, context, route, address.ips[0])
        except OSError as error:
            if is_only or isinstance(error, ssl.SSLError):
                return connect_failure(error, address.ips[0], address)
    return await _race(owner, context, route)


async def _race(
    owner: ConnectionOwner, context: RunContext, route: Route
) -> AnyConnection | RequestFailed:
    address = route.address
    attempts: dict[_Attempt, str] = {}
    failure: RequestFailed | None = None
    try:
        for ip in list(address.ips):
            attempts[context.loop.create_task(_open(owner, context, route, ip))] = ip
            is_last = len(attempts) == len(address.ips)
            while running := [attempt for attempt in attempts if not attempt.done()]:
                done, _ = await asyncio.wait(
                    running,
                    timeout=None if is_last else _ATTEMPT_DELAY_S,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for attempt in done:
                    error = attempt.exception()
                    if error is None:
                        address.prefer(attempts.pop(attempt))
                        return attempt.result()
                    if not isinstance(error, OSError):
                        raise error
                    failure = connect_failure(error, attempts[attempt], address)
                    if isinstance(error, ssl.SSLError):
                        return failure
                if not is_last:
                    break  # one has failed, or the delay is over
    finally:
        for attempt in attempts:
            attempt.add_done_callback(_close)
            attempt.cancel()
    assert failure is not None
    return failure


async def _open(
    owner: ConnectionOwner, context: RunContext, route: Route, ip: str
) -> AnyConnection:
    if not route.may_be_http2:
        address = route.address
        root = address.request_root
        return await _open_with(
            lambda: Connection(owner, context.receive_queue, address.base_path, root),
            *(context.loop, route, ip),
        )
    # Other loads need not import `h2`; `run_load` has done so before this one began.
    from straingauge.engine.negotiation import Negotiation

    negotiation = await _open_with(
        lambda: Negotiation(owner, context.receive_queue, route), context.loop, route, ip
    )
    return negotiation.connection()


async def _open_with(
    make: Callable[[], _P], loop: asyncio.AbstractEventLoop, route: Route, ip: str
) -> _P:
    """Connect a new protocol to an address, through TLS and a proxy's tunnel if need be."""
    address = route.address
    tls, name = route.tls, address.tls_name if route.tls else None
    if address.settings.unix_socket is not None:
        _, protocol = await loop.create_unix_connection(make, ip, ssl=tls, server_hostname=name)
        return protocol
    tunnel = address.tunnel
    if tunnel is None:
        _, protocol = await loop.create_connection(
            make, ip, address.connect_port, ssl=tls, server_hostname=name
        )
        return protocol
    sock = await _open_tunnel(loop, tunnel, ip, address.connect_port)
    try:
        _, protocol = await loop.create_connection(make, sock=sock, ssl=tls, server_hostname=name)
    except BaseException:
        sock.close()
        raise
    return protocol


async def _open_tunnel(
    loop: asyncio.AbstractEventLoop, tunnel: Tunnel, ip: str, port: int
) -> socket.socket:
    """Connect to a proxy and let it connect to the target."""
    sock = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.settimeout(0)
        await loop.sock_connect(sock, (ip, port))
        await loop.sock_sendall(sock, tunnel.request)
        while not tunnel.feed(await loop.sock_recv(sock, _RECEIVE_BYTES)):
            pass
    except BaseException:
        sock.close()
        raise
    return sock


def _close(attempt: _Attempt) -> None:
    """Close the connection of an attempt that came second."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()
