"""Faults that are not on the list: tried when the rules stood, to see whether they hold for others.

What happens in the database or to the processes is in `beside.py`.
"""

import asyncio
import json
import threading
import time

import orjson
from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.performance.proving.planting import Kept, chance, is_read, is_upload, planted

SLOW_UPLOAD_S = 2.5
BLOCKED_S = 0.05


def threads_left() -> FastAPI:
    """Every fourth request starts a thread that waits for ever."""
    requests = 0
    never = threading.Event()

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal requests
        requests += 1
        if requests % 4 == 0:
            threading.Thread(target=never.wait, daemon=True).start()
        await app(scope, receive, send)

    return planted(answer)


def updates_lost() -> FastAPI:
    """A change of a session is acknowledged, with its new values, and never written."""

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "PATCH":
            await app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)

        async def nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        kept = Kept()
        await app({**scope, "method": "GET"}, nothing, kept)
        if kept.status == 200:
            kept.body = orjson.dumps(orjson.loads(kept.body) | json.loads(body))
            kept.set_header(b"content-length", str(len(kept.body)).encode())
        await kept.pass_on(send)

    return planted(answer)


def reads_block() -> FastAPI:
    """Each read waits 50 ms for something without letting others go on, and computes nothing."""

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_read(scope):
            time.sleep(BLOCKED_S)  # noqa: ASYNC251 -- the fault
        await app(scope, receive, send)

    return planted(answer)


def bodies_short() -> FastAPI:
    """3 % of the reads promise more bytes than they send."""
    hit = chance(0.03)

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_read(scope) or not hit():
            await app(scope, receive, send)
            return
        kept = Kept()
        await app(scope, receive, kept)
        kept.set_header(b"content-length", str(len(kept.body) + 100).encode())
        await send(kept.start)
        await send({"type": "http.response.body", "body": kept.body})

    return planted(answer)


def slow_uploads() -> FastAPI:
    """Each upload takes 2.5 s longer; nothing else does."""

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_upload(scope):
            await asyncio.sleep(SLOW_UPLOAD_S)
        await app(scope, receive, send)

    return planted(answer)


def tokens_refused() -> FastAPI:
    """3 % of the reads are told that their token is no good."""
    hit = chance(0.03)
    refusal = JSONResponse({"error": {"code": "unauthorized", "message": "Log in."}}, 401)

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await (refusal if is_read(scope) and hit() else app)(scope, receive, send)

    return planted(answer)
