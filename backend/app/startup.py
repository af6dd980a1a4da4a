"""Errors of the configuration that end the start of the service."""

import sys

from starlette.types import Message, Send


class StartRefused(Exception):
    """The service must not start; the message says why and what to do."""


def without_traceback(send: Send) -> Send:
    """Shorten the report of a refused start to its message; other errors keep their traceback."""

    async def shortened(message: Message) -> None:
        error = sys.exc_info()[1]
        if message["type"] == "lifespan.startup.failed" and isinstance(error, StartRefused):
            message = {**message, "message": str(error)}
        await send(message)

    return shortened
