"""A load whose record is an hour old when it begins.

    python generator.py URL PATH RATE USERS SECONDS RESULTS

Until then a record fills, and its memory grows by design: it gets a slot for each second and each
50 ms, up to a limit (`recording.timeline`, `recording.in_flight`). The origin of all that is
recorded is moved into the past here, so that all slots exist with the first request, and what still
grows is a leak. All else is the generator of `straingauge run`, in one process.
"""

import sys
from pathlib import Path
from unittest.mock import patch

from straingauge.cli.options import RunOptions, load_spec
from straingauge.recording import Recorder
from straingauge.recording.recorder import EndpointRecorder
from straingauge.runner import LoadRunner, LoginCache, conclude_run, load_runner
from straingauge.workers import LocalCoordinator

AGE_NS = 3_600 * 1_000_000_000


class OldRecorder(Recorder):
    """A recorder whose phases began an hour before they did."""

    def endpoint_sink(self, phase: str, endpoint: str, origin_ns: int) -> EndpointRecorder:
        """Return a recorder for an endpoint."""
        return super().endpoint_sink(phase, endpoint, origin_ns - AGE_NS)


def main() -> None:
    """Send the load and write its result."""
    url, path, rate, users, seconds, results = sys.argv[1:]
    options = RunOptions(
        gets=(path,),
        rate=float(rate),
        users=int(users),
        duration=float(seconds),
        results=Path(results),
    )
    spec = load_spec(options)
    coordinator = LocalCoordinator(lambda _file, _http: url, lambda _test, _merged: False)
    with patch.object(load_runner, "Recorder", OldRecorder):
        merged = LoadRunner(spec, coordinator, "p1").run(LoginCache())
    assert merged is not None
    outcome = conclude_run(merged, spec.thresholds)
    if outcome.problem is not None:
        raise outcome.problem


if __name__ == "__main__":
    main()
