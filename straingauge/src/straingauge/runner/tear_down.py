"""The end of users: each removes what it has created, within a limited time if need be."""

import time
from collections.abc import Sequence
from typing import Final

from straingauge.engine import EngineStats, run_load
from straingauge.journey import User, limit_concurrency
from straingauge.recording import Recorder
from straingauge.runner.load_spec import LoadSpec

MAX_CONCURRENT: Final = 16  # per process: it must not be another load
# After Ctrl-C and after a failure: a user who waits for the prompt presses Ctrl-C again.
HURRIED_S: Final = 5.0
MAX_TEAR_DOWN_S: Final = 2 * HURRIED_S


def tear_down(
    spec: LoadSpec,
    url: str,
    users: Sequence[User],
    recorder: Recorder,
    *,
    within_s: float | None,
) -> EngineStats | None:
    """Let each user run the journey `tear_down` once; failures are counted in the phase "teardown".

    Args:
        spec: The load.
        url: Base URL of the service.
        users: The users of this process.
        recorder: Receives the outcomes.
        within_s: Time after which nothing more is sent; as long again for requests in flight.
            None leaves it to their timeouts.

    Returns:
        Statistics of the engine; None if there is nothing to do.
    """
    if spec.tear_down is None or not users:
        return None
    journey = limit_concurrency(MAX_CONCURRENT)(spec.tear_down)
    timeout_s = spec.timeout_s if within_s is None else min(spec.timeout_s, within_s)
    began_s = time.monotonic()

    def is_late(times: int) -> bool:
        return within_s is not None and time.monotonic() - began_s > times * within_s

    return run_load(
        spec.single_run(url, journey, users, timeout_s=timeout_s),
        recorder,
        phase="teardown",
        stop=lambda: is_late(1),
        abandon=lambda: is_late(2),
    )
