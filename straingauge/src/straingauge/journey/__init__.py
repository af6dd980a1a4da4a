"""User journeys: generators that yield requests and receive responses, without I/O.

    def read_newest(user):
        sessions = (yield user.get("/api/sessions/")).json()
        yield Pause(1.5)
        yield user.get(f"/api/sessions/{sessions[0]['id']}", name="GET /api/sessions/{id}")

The engine's callbacks and Locust's greenlets run a journey through `Execution` and check each
response with `straingauge.http.check_response`.
"""

from straingauge.journey.account_fingerprint import account_fingerprint
from straingauge.journey.call import Call, call, measure
from straingauge.journey.concurrency_limit import limit_concurrency
from straingauge.journey.execution import Execution, Journey, JourneyError
from straingauge.journey.form import csrf_headers, csrf_token, form_request
from straingauge.journey.form_login import log_in_by_form
from straingauge.journey.mix import Mix, mix, tagged
from straingauge.journey.open_once import OpenOnce, open_once
from straingauge.journey.scenario import Scenario, scenario
from straingauge.journey.step import Pause, Step
from straingauge.journey.transaction import Transaction, TransactionEnd
from straingauge.journey.user import Account, User

__all__ = [
    "Account",
    "Call",
    "Execution",
    "Journey",
    "JourneyError",
    "Mix",
    "OpenOnce",
    "Pause",
    "Scenario",
    "Step",
    "Transaction",
    "TransactionEnd",
    "User",
    "account_fingerprint",
    "call",
    "csrf_headers",
    "csrf_token",
    "form_request",
    "limit_concurrency",
    "log_in_by_form",
    "measure",
    "mix",
    "open_once",
    "scenario",
    "tagged",
]
