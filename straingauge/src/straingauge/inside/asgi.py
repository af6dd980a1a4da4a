"""`Inside` for ASGI applications."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from straingauge.inside.metrics_page import CONTENT_TYPE
from straingauge.inside.monitor import Monitor
from straingauge.inside.request_timing import RequestTiming, current_timing

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


async def serve(app: App, monitor: Monitor, scope: Scope, receive: Receive, send: Send) -> None:
    """Handle a request, a WebSocket or the lifespan; only HTTP responses get a header."""
    with contextlib.suppress(RuntimeError):  # trio has no loop to monitor
        monitor.loop.watch(asyncio.get_running_loop())
    if scope["type"] != "http":
        await app(scope, receive, send)
        return
    monitor.begin_request((scope.get("server") or (None, None))[1])
    if scope["path"] == monitor.path and scope["method"] == "GET" and _may_read(monitor, scope):
        await _serve_metrics(app, monitor, scope, receive, send)
        return
    if not monitor.timing:
        await app(scope, receive, send)
        return
    timing = RequestTiming()
    token = current_timing.set(timing)

    async def send_timed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers") or ()
            for name, _ in headers:
                if name == b"server-timing":
                    break
            else:
                value = timing.header(with_database=monitor.has_pool).encode()
                # A copy, because the response object that owns the list may be used again.
                message = {**message, "headers": [*headers, (b"server-timing", value)]}
        await send(message)

    try:
        await app(scope, receive, send_timed)
    finally:
        current_timing.reset(token)


def _may_read(monitor: Monitor, scope: Scope) -> bool:
    client = scope.get("client")
    names = (name.decode("latin-1").lower() for name, _ in scope["headers"])
    return monitor.access.allows(client[0] if client else None, names)


async def _serve_metrics(
    app: App, monitor: Monitor, scope: Scope, receive: Receive, send: Send
) -> None:
    if monitor.is_fallback and await _is_answered(app, scope, receive, send):
        return
    page = monitor.page(has_loop=True)
    headers = [
        (b"content-type", CONTENT_TYPE.encode()),
        (b"content-length", str(len(page)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": page})


async def _is_answered(app: App, scope: Scope, receive: Receive, send: Send) -> bool:
    """Pass the request to the application; hold back its response if it is a 404."""
    is_missing = False

    async def send_unless_missing(message: Message) -> None:
        nonlocal is_missing
        if message["type"] == "http.response.start":
            is_missing = message["status"] == 404
        if not is_missing:
            await send(message)

    await app(scope, receive, send_unless_missing)
    return not is_missing
