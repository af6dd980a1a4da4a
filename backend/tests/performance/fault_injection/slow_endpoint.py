"""The service with one endpoint 10 % slower, which `straingauge ab` must detect."""

import time

from app.main import create_app
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.performance.fault_injection.wrappers import is_session

SLOWDOWN = 0.10


class SlowSessionDetail:
    """ASGI middleware that delays responses for one session by a share of their time."""

    def __init__(self, app: ASGIApp, slowdown: float) -> None:
        self._app = app
        self._slowdown = slowdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request. The delay is a busy loop, because sleeping is not exact enough."""
        if scope["type"] != "http" or not is_session(scope):
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()

        async def send_delayed(message: Message) -> None:
            if message["type"] == "http.response.start":
                now_s = time.perf_counter()
                end_s = now_s + self._slowdown * (now_s - started_s)
                while time.perf_counter() < end_s:
                    pass
            await send(message)

        await self._app(scope, receive, send_delayed)


def ten_percent_slower() -> ASGIApp:
    """Create the service with a session detail that is 10 % slower."""
    return SlowSessionDetail(create_app(), SLOWDOWN)
