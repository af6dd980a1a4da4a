"""Garbage collection settings for the time of a run.

A full collection of a Locust process takes 0.1 s or more, during which no response gets its time
stamp. Long-lived objects are therefore frozen, as the engine does.
"""

import gc
from typing import Final

from locust import events

_DEFAULT_THRESHOLDS: Final = gc.get_threshold()
_RUN_THRESHOLDS: Final = (50_000, 50, 100)


@events.test_start.add_listener
def _freeze(**_: object) -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_RUN_THRESHOLDS)


@events.spawning_complete.add_listener
def _freeze_users(**_: object) -> None:
    gc.freeze()


@events.test_stop.add_listener
def _restore(**_: object) -> None:
    gc.set_threshold(*_DEFAULT_THRESHOLDS)
    gc.unfreeze()
