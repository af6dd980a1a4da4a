"""What does a user do next? Generators that yield requests and get responses back: no I/O.

    def read_newest(user):
        sessions = (yield user.get("/api/sessions/")).json()
        yield Pause(1.5)
        yield user.get(f"/api/sessions/{sessions[0]['id']}", name="GET /api/sessions/{id}")

Whoever drives a journey (the engine's callbacks, Locust's greenlets) does so through `Play`, and
judges each response with `assess`.
"""

from straingauge.journey.concurrency_limit import limit_concurrency
from straingauge.journey.content import MAX_BODY_BYTES
from straingauge.journey.execution import Execution, Journey, JourneyError, Step
from straingauge.journey.headers import Headers, RawHeaders, encode_headers, values_of
from straingauge.journey.mix import Mix, mix, tagged
from straingauge.journey.models import (
    Check,
    ErrorKind,
    Pause,
    Request,
    RequestFailed,
    Response,
    check_response,
)
from straingauge.journey.upload import FilePart, Upload
from straingauge.journey.user import User

__all__ = [
    "MAX_BODY_BYTES",
    "Check",
    "ErrorKind",
    "Execution",
    "FilePart",
    "Headers",
    "Journey",
    "JourneyError",
    "Mix",
    "Pause",
    "RawHeaders",
    "Request",
    "RequestFailed",
    "Response",
    "Step",
    "Upload",
    "User",
    "check_response",
    "encode_headers",
    "limit_concurrency",
    "mix",
    "tagged",
    "values_of",
]
