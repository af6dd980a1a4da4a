"""A garbage collector that leaves what is old alone while users play, as in the engine.

Going through all that a Locust process holds takes 0.1 s and more, in which no answer is stamped.
"""

import gc
from typing import Final

from locust import events

_THRESHOLDS: Final = gc.get_threshold()
_PATIENT: Final = (50_000, 50, 100)


@events.test_start.add_listener
def _leave_alone(**_: object) -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_PATIENT)


@events.spawning_complete.add_listener
def _leave_users_alone(**_: object) -> None:
    gc.freeze()


@events.test_stop.add_listener
def _as_ever(**_: object) -> None:
    gc.set_threshold(*_THRESHOLDS)
    gc.unfreeze()
