"""Clients of own steps, opened once for all users of a process."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

ClientT = TypeVar("ClientT")
Loop = asyncio.AbstractEventLoop

_closers: WeakKeyDictionary[Loop, list[Callable[[], Any]]] = WeakKeyDictionary()


class OpenOnce(Generic[ClientT]):
    """Opens a client when it is first used in an event loop; made by `open_once`."""

    def __init__(self, make: Callable[[], ClientT], close: Callable[[ClientT], Any] | None) -> None:
        self._make = make
        self._close = close
        self._clients: WeakKeyDictionary[Loop, ClientT] = WeakKeyDictionary()

    def __call__(self) -> ClientT:
        """Return the client of the running event loop; call it in a journey, or in its calls."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            made: Any = self._make()
            if inspect.iscoroutine(made):
                made = loop.create_task(made)  # all users await the same one
            self._clients[loop] = made
            if self._close is not None:
                _closers.setdefault(loop, []).append(lambda: self._end(made))
        return self._clients[loop]

    async def _end(self, client: Any) -> None:  # noqa: ANN401  as it was made
        assert self._close is not None
        ended = self._close(await client if isinstance(client, asyncio.Task) else client)
        if inspect.isawaitable(ended):
            await ended


def open_once(
    make: Callable[[], ClientT], *, close: Callable[[ClientT], Any] | None = None
) -> OpenOnce[ClientT]:
    """Open a client once for all users of a process, when the first one needs it.

        redis = open_once(lambda: Redis(port=6379), close=Redis.aclose)

        def read(user):
            yield call(redis().get, "key", name="redis get")

    A client belongs to an event loop, and each phase of a load (log-in, warm-up, load,
    verification) has one, so a client cannot be kept in a variable.

    Args:
        make: Makes the client; a coroutine function is awaited by `await redis()` in a call.
        close: Closes it at the end of the phase, within some seconds.
    """
    return OpenOnce(make, close)


async def close_clients(timeout_s: float) -> None:
    """Close the clients of the running event loop; what fails or takes too long is left."""
    closers = _closers.pop(asyncio.get_running_loop(), [])
    closing: list[asyncio.Future[Any]] = [asyncio.ensure_future(close()) for close in closers]
    if closing:
        _, pending = await asyncio.wait(closing, timeout=timeout_s)
        for each in pending:
            each.cancel()
