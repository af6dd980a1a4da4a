"""The main threads of a service's event loops; `schemas/result-1.schema.json` describes them."""

from typing import TypedDict


class LoopThread(TypedDict):
    """Looks at the main threads of event loops, and the share that met a blocking call."""

    samples: int
    blocked_share: float
