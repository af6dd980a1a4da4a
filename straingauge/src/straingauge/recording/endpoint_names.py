"""The names of endpoints that are recorded apart, limited to bound memory."""

from typing import Final

MAX_ENDPOINTS: Final = 200
"""Names recorded apart in one run.

An endpoint takes 0.4 MB in each process, and again where processes are merged, and has a row in the
report: 200 take 80 MB, about as much as a process without them. Ids in URLs would make a name of
each request.
"""

OTHER: Final = "other"
"""The name under which the endpoints beyond the limit are counted together."""


class EndpointNames:
    """The first `MAX_ENDPOINTS` names of a run."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: set[str] = set()

    def fold(self, name: str) -> str:
        """Return a name under which an endpoint counts: its own, or `OTHER` beyond the limit."""
        if name in self._names:
            return name
        if len(self._names) >= MAX_ENDPOINTS:
            return OTHER
        self._names.add(name)
        return name
