"""A second master on a port: one line in place of the traceback that Locust 2.47 ends with.

It happens before Locust fires any event: what is left is what Python does with the last exception.
"""

import sys
from types import TracebackType
from typing import Final

from locust.exception import RPCError

TAKEN: Final = "Socket bind failure"


def explain_port_in_use() -> None:
    """Have that error told in words, and all others as before; the exit code stays 1."""
    before = sys.excepthook

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if kind is RPCError and TAKEN in str(error):
            sys.stderr.write(
                f"no master can begin here: {error}\n"
                "  try: end the other master, or take another port by --master-bind-port N\n"
            )
        else:
            before(kind, error, trace)

    sys.excepthook = tell
