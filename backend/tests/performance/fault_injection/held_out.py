"""Held-out faults, which test whether the diagnosis generalizes. Others are in `background.py`."""

import asyncio
import json
import threading
import time

import orjson
from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.performance.fault_injection.wrappers import (
    BufferedResponse,
    chance,
    is_read,
    is_upload,
    wrap,
)

SLOW_UPLOAD_S = 2.5
BLOCKED_S = 0.05


def thread_leak() -> FastAPI:
    """Start a thread that never ends in every fourth request."""
    requests = 0
    never = threading.Event()

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal requests
        requests += 1
        if requests % 4 == 0:
            threading.Thread(target=never.wait, daemon=True).start()
        await app(scope, receive, send)

    return wrap(handler)


def updates_lost() -> FastAPI:
    """Acknowledge changes of a session with the new values, without storing them."""

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "PATCH":
            await app(scope, receive, send)
            return
        body, more_body = b"", True
        while more_body:
            message = await receive()
            body += message.get("body", b"")
            more_body = message.get("more_body", False)

        async def receive_nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        response = BufferedResponse()
        await app({**scope, "method": "GET"}, receive_nothing, response)
        if response.status == 200:
            response.body = orjson.dumps(orjson.loads(response.body) | json.loads(body))
            response.set_header(b"content-length", str(len(response.body)).encode())
        await response.send_to(send)

    return wrap(handler)


def blocking_reads() -> FastAPI:
    """Block the event loop for 50 ms in each read, without using CPU time."""

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_read(scope):
            time.sleep(BLOCKED_S)  # noqa: ASYNC251 -- this is the fault
        await app(scope, receive, send)

    return wrap(handler)


def short_bodies() -> FastAPI:
    """Send fewer bytes than the Content-Length in 3 % of the reads."""
    is_affected = chance(0.03)

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_read(scope) or not is_affected():
            await app(scope, receive, send)
            return
        response = BufferedResponse()
        await app(scope, receive, response)
        response.set_header(b"content-length", str(len(response.body) + 100).encode())
        await send(response.start)
        await send({"type": "http.response.body", "body": response.body})

    return wrap(handler)


def slow_uploads() -> FastAPI:
    """Delay each upload by 2.5 s."""

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_upload(scope):
            await asyncio.sleep(SLOW_UPLOAD_S)
        await app(scope, receive, send)

    return wrap(handler)


def tokens_refused() -> FastAPI:
    """Reject the token of 3 % of the reads with a 401."""
    is_affected = chance(0.03)
    unauthorized = JSONResponse({"error": {"code": "unauthorized", "message": "Log in."}}, 401)

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await (unauthorized if is_read(scope) and is_affected() else app)(scope, receive, send)

    return wrap(handler)
