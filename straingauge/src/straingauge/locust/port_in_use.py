"""A message for a second master on the same port, in place of Locust 2.47's traceback.

The error occurs before Locust fires any event, so it is caught by `sys.excepthook`.
"""

import sys
from types import TracebackType
from typing import Final

from locust.exception import RPCError

from straingauge.errors import UsageError

BIND_FAILURE: Final = "Socket bind failure"


def explain_port_in_use() -> None:
    """Print that error as a message with advice; the exit code stays 1."""
    previous = sys.excepthook

    def excepthook(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if kind is RPCError and BIND_FAILURE in str(error):
            explained = UsageError(
                f"cannot start a Locust master: {error}",
                "stop the other master, or use another port with --master-bind-port PORT",
            )
            sys.stderr.write(f"{explained.with_hint}\n")
        else:
            previous(kind, error, trace)

    sys.excepthook = excepthook
