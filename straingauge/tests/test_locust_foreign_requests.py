"""Requests of clients other than straingauge's, from the events that they fire."""

import math

import pytest
from locust_caller import Locust, Outcome

EVENT = """
import enum, http, decimal
class Code(enum.Enum):
    OK = "ok"
class Broken:
    @property
    def status_code(self):
        raise RuntimeError("no status yet")
    def __str__(self):
        raise RuntimeError("no text")
class Reply:
    def __init__(self, status_code, headers=None):
        self.status_code, self.headers = status_code, headers
event = dict(request_type="GRPC", name="call", response_time=5.0, response_length=0,
             response=None, exception=None, context={})
event.update(eval(CHANGES))
for key in [key for key, value in event.items() if value is ...]:
    del event[key]
from straingauge.locust.events import get_session
get_session(user.environment).on_request(**event)
"""


def fire(caller: Locust, changes: str) -> Outcome:
    """Fire one request event whose arguments are changed."""
    outcome = caller.call("http://127.0.0.1:1", EVENT.replace("CHANGES", repr(changes)))
    assert outcome.value is None
    assert outcome.totals["requests"] == 1
    return outcome


@pytest.mark.parametrize(
    ("status", "statuses"),
    [
        ("200", {"200": 1}),
        ("'404'", {"404": 1}),
        ("204.0", {"204": 1}),
        ("http.HTTPStatus.CREATED", {"201": 1}),
        ("'OK'", {}),
        ("Code.OK", {}),
        ("lambda: 200", {}),
        ("True", {}),
        ("None", {}),
        ("-1", {}),
        ("5000", {}),
        ("10**30", {}),
        ("float('nan')", {}),
    ],
)
def test_a_status_that_is_none_counts_as_no_status(caller: Locust, status: str, statuses: object):
    """Each request is counted as good, whatever its response has as a status."""
    outcome = fire(caller, f"dict(response=Reply({status}))")
    endpoint = outcome.record["main GRPC call"]
    assert (endpoint["requests"], endpoint["errors"]) == (1, {})
    assert endpoint["statuses"] == statuses
    assert endpoint["response_ms"] == 5


@pytest.mark.parametrize("status", ["200", "'OK'", "Code.OK", "-1", "5000"])
def test_a_failure_counts_once_whatever_its_status(caller: Locust, status: str):
    """A failed request is one error, whatever its response has as a status."""
    outcome = fire(caller, f"dict(response=Reply({status}), exception=ValueError('x'))")
    endpoint = outcome.record["main GRPC call"]
    assert (endpoint["requests"], sum(endpoint["errors"].values())) == (1, 1)


@pytest.mark.parametrize(
    "time_ms",
    ["None", "-3.0", "float('nan')", "float('inf')", "1e300", "'soon'", "...", "10**400", "[]"],
)
@pytest.mark.parametrize("exception", ["None", "ValueError('x')"])
def test_a_time_that_is_none_is_in_no_percentile(caller: Locust, time_ms: str, exception: str):
    """A request without a valid response time is counted, and has none in the statistics."""
    changes = f"dict(response_time={time_ms}, exception={exception}, response=Reply(200))"
    endpoint = fire(caller, changes).record["main GRPC call"]
    assert (endpoint["requests"], endpoint["statuses"]) == (1, {"200": 1})
    assert endpoint["response_ms"] == 0
    assert sum(endpoint["errors"].values()) == (exception != "None")


@pytest.mark.parametrize(
    ("time_ms", "expected_ms"), [("decimal.Decimal('2.5')", 2.5), ("3", 3), ("'4'", 4), ("0", 0)]
)
def test_a_time_may_be_any_number(caller: Locust, time_ms: str, expected_ms: float):
    """Response times of other numeric types count."""
    endpoint = fire(caller, f"dict(response_time={time_ms})").record["main GRPC call"]
    assert math.isclose(endpoint["response_ms"], expected_ms, abs_tol=1e-6)


@pytest.mark.parametrize(
    "headers",
    [
        '[("A", "b")]',
        '{"A": "\\u4f60", "\\u4f60": "b"}',
        '{b"A": b"b", 3: None}',
        '{"A": "b\\r\\nX-Request-ID: forged"}',
        '"text"',
        "7",
        "lambda: {}",
        "[1, (2,), (3, 4, 5)]",
    ],
)
def test_headers_may_have_any_form(caller: Locust, headers: str):
    """Headers that are pairs, bytes, not Latin-1 or no headers at all do not matter."""
    changes = f"dict(response=Reply(500, {headers}), exception='failed')"
    endpoint = fire(caller, changes).record["main GRPC call"]
    assert endpoint["errors"] == {"bad_status": 1}


def test_server_timing_of_pairs_is_read(caller: Locust):
    """Headers given as pairs are read."""
    changes = 'dict(response=Reply(429, [("Retry-After", "1")]), exception="too many")'
    assert fire(caller, changes).failures == {"rate_limited": 1}


@pytest.mark.parametrize(
    ("exception", "kind"),
    [
        ("'a text'", "protocol"),
        ("ValueError", "protocol"),
        ("Broken()", "protocol"),
        ("{'code': 14}", "protocol"),
        ("ConnectionRefusedError()", "refused"),
        ("TimeoutError()", "timeout"),
        ("__import__('requests').ReadTimeout()", "timeout"),
        ("__import__('requests').ConnectionError(ConnectionRefusedError(111, 'x'))", "refused"),
        ("__import__('requests').exceptions.SSLError('x')", "tls"),
        ("ConnectionResetError()", "reset"),
    ],
)
def test_kind_of_a_foreign_exception(caller: Locust, exception: str, kind: str):
    """Exceptions of any type, and texts, are failures; those of sockets have their kind."""
    assert fire(caller, f"dict(exception={exception})").failures == {kind: 1}


@pytest.mark.parametrize("exception", ["''", "False", "0"])
def test_an_empty_exception_is_none(caller: Locust, exception: str):
    """As in Locust, an empty exception is no failure."""
    assert fire(caller, f"dict(exception={exception})").failures == {}


def test_keys_may_be_missing(caller: Locust):
    """An event without type, name, response and time is counted."""
    changes = "{key: ... for key in event}"
    assert fire(caller, changes).record["main unnamed unnamed"]["requests"] == 1


def test_a_response_may_raise(caller: Locust):
    """A response whose status cannot be read counts as one without a status."""
    assert fire(caller, "dict(response=Broken())").record["main GRPC call"]["statuses"] == {}
