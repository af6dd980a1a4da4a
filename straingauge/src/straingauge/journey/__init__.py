"""What does a user do next? Generators that yield requests and get responses back: no I/O.

    def read_newest(user):
        sessions = (yield user.get("/api/sessions/")).json()
        yield Pause(1.5)
        yield user.get(f"/api/sessions/{sessions[0]['id']}", name="GET /api/sessions/{id}")

Whoever drives a journey (the engine's callbacks, Locust's greenlets) does so through `Play`, and
judges each response with `assess`.
"""

from straingauge.journey.content import MAX_BODY_BYTES
from straingauge.journey.gate import at_most
from straingauge.journey.headers import Headers, RawHeaders, values_of, worded
from straingauge.journey.messages import (
    Check,
    Kind,
    Pause,
    Request,
    RequestFailed,
    Response,
    assess,
)
from straingauge.journey.mix import Mix, mix, tagged
from straingauge.journey.play import Journey, JourneyError, Play, Step
from straingauge.journey.upload import FilePart, Upload
from straingauge.journey.user import User

__all__ = [
    "MAX_BODY_BYTES",
    "Check",
    "FilePart",
    "Headers",
    "Journey",
    "JourneyError",
    "Kind",
    "Mix",
    "Pause",
    "Play",
    "RawHeaders",
    "Request",
    "RequestFailed",
    "Response",
    "Step",
    "Upload",
    "User",
    "assess",
    "at_most",
    "mix",
    "tagged",
    "values_of",
    "worded",
]
