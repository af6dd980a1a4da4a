"""Work in a thread of the system, while users go on."""

from collections.abc import Callable
from typing import TypeVar, cast

import gevent

Found = TypeVar("Found")


def run_in_thread(work: Callable[[], Found]) -> Found:
    """Run a function in a thread, and return what it returns or raise what it raises."""

    def attempt() -> Found | Exception:
        try:
            return work()
        except Exception as error:  # noqa: BLE001  raised below; gevent would print it as well
            return error

    outcome = gevent.get_hub().threadpool.apply(attempt)
    if isinstance(outcome, Exception):
        raise outcome
    return cast("Found", outcome)
