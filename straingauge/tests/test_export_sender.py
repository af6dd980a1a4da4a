"""The connection to a receiver of exports, and what is sent on it."""

import http.client
from typing import NamedTuple

import pytest
from made_load import MadeLoad, counter
from straingauge.exports import EndpointSecond, Second
from straingauge.exports.http_sender import MAX_ANSWER, TIMEOUT_S, HttpSender
from straingauge.exports.influx_lines import InfluxLines


def sender_to(url: str) -> HttpSender:
    """Return a sender without headers."""
    return HttpSender(url, "/", {}, option="--export")


class MadeAnswer(NamedTuple):
    """An answer as `http.client` returns it."""

    status: int
    text: bytes

    def read(self) -> bytes:
        """Return its text."""
        return self.text


def test_kept_connection_that_was_closed_is_opened_again(monkeypatch: pytest.MonkeyPatch):
    """A receiver that closes idle connections gets all that is sent, once."""
    bodies: list[bytes] = []
    closed = [False, True, False, True, False]  # as each request finds the connection

    def request(_connection: object, _method: str, _path: str, body: bytes, _headers: object):
        if closed.pop(0):
            raise http.client.RemoteDisconnected("closed")
        bodies.append(body)

    monkeypatch.setattr(http.client.HTTPConnection, "request", request)
    monkeypatch.setattr(http.client.HTTPConnection, "getresponse", lambda _: MadeAnswer(204, b""))
    sender = sender_to("http://localhost")
    for body in (b"1", b"2", b"3"):
        sender.send(body)
    assert bodies == [b"1", b"2", b"3"]


@pytest.mark.parametrize("status", [300, 302, 404, 503])
def test_other_answers_than_success_are_failures(monkeypatch: pytest.MonkeyPatch, status: int):
    """An answer that is no success is an error with its status and the begin of its text."""
    monkeypatch.setattr(HttpSender, "_post", lambda _, _body: (status, b"x" * 5000))
    with pytest.raises(OSError, match=f"status {status}: x+$") as refused:
        sender_to("http://localhost").send(b"")
    assert str(refused.value).count("x") == MAX_ANSWER


def test_time_of_an_answer_is_limited(monkeypatch: pytest.MonkeyPatch):
    """A connection to a receiver that does not answer has a time limit."""
    limits: list[float | None] = []

    def connect(connection: http.client.HTTPConnection) -> None:
        limits.append(connection.timeout)
        raise TimeoutError("timed out")

    monkeypatch.setattr(http.client.HTTPConnection, "connect", connect)
    with pytest.raises(TimeoutError):
        sender_to("http://localhost").send(b"")
    assert limits == [TIMEOUT_S]


def test_account_in_a_url_is_decoded():
    """A user and a password in a URL are percent-decoded, as in all URLs."""
    sender = sender_to("http://m%40e:p%2F%3A@localhost")
    assert sender.headers["Authorization"] == "Basic bUBlOnAvOg=="  # m@e:p/:


def test_lines_for_influxdb(monkeypatch: pytest.MonkeyPatch):
    """Whole numbers end in i, zeros are sent, unknown values are not, and names are escaped."""
    sent: list[bytes] = []
    monkeypatch.setattr(HttpSender, "send", lambda _, body: sent.append(body))
    second = Second("a b", 2.0, 0.0, 1.0, 0, 5, 4, {"x,=y\\": EndpointSecond()}, 12.5, None)
    InfluxLines("http://localhost?db=n", option="", environment={}).add(second)
    assert sent[0].decode().splitlines() == [
        "straingauge_load,run=a\\ b users=0i,arrivals_due=5i,arrivals_started=4i,"
        "server_cpu_percent=12.5 2000000000",
        "straingauge_requests,run=a\\ b,endpoint=x\\,\\=y requests=0i,rate_limited=0i 2000000000",
    ]


def test_percentiles_for_influxdb_are_fractions(monkeypatch: pytest.MonkeyPatch):
    """A percentile is never a whole number, which InfluxDB would refuse in a field of fractions."""
    sent: list[bytes] = []
    monkeypatch.setattr(HttpSender, "send", lambda _, body: sent.append(body))
    load = MadeLoad()
    load.requests("p1", "GET /a", 10, 5)
    second = counter().count(load.merged(1.0))
    assert second is not None
    InfluxLines("http://localhost?db=n", option="", environment={}).add(second)
    (line,) = (each for each in sent[0].decode().splitlines() if "requests," in each)
    assert "p50_ms=5.0" in line
    assert "p50_ms=5.0i" not in line
