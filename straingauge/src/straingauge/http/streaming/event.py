"""One event of a stream."""

from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Event:
    """One event: of server-sent events, a line of NDJSON, or a chunk.

    Attributes:
        data: Its text.
        type: "message" unless the server names another; always "message" outside of SSE.
        id: The last id that the server has sent in this stream; empty without one.
        retry_ms: The reconnection time that the server has asked for; None without one.
    """

    data: str
    type: str = "message"
    id: str = ""
    retry_ms: int | None = None

    # Only the author of the load test knows the shape of the JSON.
    def json(self) -> Any:  # noqa: ANN401
        """Parse the data as JSON.

        Raises:
            ValueError: It is not JSON.
        """
        return orjson.loads(self.data)
