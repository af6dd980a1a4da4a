"""The service with one endpoint a tenth slower: what `straingauge ab` has to find."""

import time

from app.main import create_app
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.performance.proving.planting import is_list, is_session

SHARE = 0.10


class Slower:
    """Takes a share longer than the service does for whoever reads one session."""

    def __init__(self, app: ASGIApp, share: float) -> None:
        self._app = app
        self._share = share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the service does, later; by computing, so that a millisecond's tenth is one."""
        if scope["type"] != "http" or is_list(scope) or not is_session(scope):
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()

        async def later(message: Message) -> None:
            if message["type"] == "http.response.start":
                now_s = time.perf_counter()
                until_s = now_s + self._share * (now_s - began_s)
                while time.perf_counter() < until_s:
                    pass
            await send(message)

        await self._app(scope, receive, later)


def tenth() -> ASGIApp:
    """A tenth slower."""
    return Slower(create_app(), SHARE)
