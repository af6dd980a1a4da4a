"""The receiver of ``--load-otlp-port``."""

import hashlib
import os
from typing import Final

import pytest

from straingauge.errors import UsageError
from straingauge.http.traceparent import PREFIX_CHARS, new_prefix
from straingauge.pytest_plugin.options import option
from straingauge.traces import Receiver, SpanBuffer

_RUN_ID: Final = "PYTEST_XDIST_TESTRUNUID"  # the same in all workers of a session
MAX_PORT: Final = 65_535


def span_receiver(config: pytest.Config, test: str) -> Receiver | None:
    """Return the receiver of one load test; None if no port is given.

    All processes that share the load give its spans the same trace ids, by which they are known.

    Raises:
        UsageError: The port is invalid, or no request would be traced.
    """
    given = option(config, "--load-otlp-port")
    if given is None:
        return None
    # Not a type of the option: a conftest.py may have an option of this name with other values.
    if not given.isascii() or not given.isdigit() or not 0 < int(given) <= MAX_PORT:
        raise UsageError(f"--load-otlp-port {given}: not a port", hint="4318 is usual")
    if option(config, "--load-no-traceparent"):
        raise UsageError(
            "--load-otlp-port needs the header traceparent, by which spans belong to requests",
            hint="leave out --load-no-traceparent",
        )
    run_id = os.environ.get(_RUN_ID)
    prefix = _prefix(f"{run_id} {test}") if run_id else new_prefix()
    return Receiver(SpanBuffer(prefix), int(given))


def _prefix(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:PREFIX_CHARS]
