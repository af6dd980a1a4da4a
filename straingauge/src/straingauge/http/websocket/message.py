"""One message of a WebSocket."""

from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Message:
    """One message that was received.

    Attributes:
        data: Text, or bytes of a binary message.
        at_ns: When its end was received, of `time.monotonic_ns`.
    """

    data: str | bytes
    at_ns: int = 0

    # Only the author of the load test knows the shape of the JSON.
    def json(self) -> Any:  # noqa: ANN401
        """Parse the data as JSON.

        Raises:
            ValueError: It is not JSON.
        """
        return orjson.loads(self.data)
