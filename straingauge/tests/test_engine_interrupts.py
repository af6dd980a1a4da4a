"""Interrupts of a running engine: what was measured until then is kept."""

import itertools
from collections.abc import Callable

import pytest
from raw_server import answering, serve
from straingauge.engine import EngineStats, Load, run_load
from straingauge.engine.transport_protocol import TransportProtocol
from straingauge.journey import User, mix
from straingauge.recording import Record, Recorder
from straingauge.schedule import constant_users


def get(user: User):
    """One GET."""
    yield user.get("/")


def run_until_interrupted(
    url: str, on_tick: Callable[[], None] | None = None
) -> tuple[Record, EngineStats]:
    """Run a load of a minute."""
    recorder = Recorder()
    load = Load(url, constant_users(count=2, duration_s=60), mix(get), [User(0), User(1)])
    stats = run_load(load, recorder, on_tick=on_tick)
    return recorder.snapshot(), stats


def test_ctrl_c_keeps_the_measurements():
    """An interrupt ends the run at once, says so, and loses no answer that was counted."""
    beats = itertools.count()

    def interrupt() -> None:
        if next(beats):
            raise KeyboardInterrupt

    with serve(answering()) as server:
        record, report = run_until_interrupted(server.url, on_tick=interrupt)
    assert report.interrupted
    assert report.duration_s < 30
    assert record.total("main").statuses[200] == report.sent - report.abandoned > 0


def test_ctrl_c_in_a_callback_of_a_connection_keeps_the_measurements(
    monkeypatch: pytest.MonkeyPatch,
):
    """An interrupt at the first line of a callback, which the event loop catches, is no crash."""
    received, receive = itertools.count(), TransportProtocol.data_received

    def data_received(self: TransportProtocol, data: bytes) -> None:
        if next(received) == 5:
            raise KeyboardInterrupt
        receive(self, data)

    monkeypatch.setattr(TransportProtocol, "data_received", data_received)
    with serve(answering()) as server:
        record, report = run_until_interrupted(server.url)
    assert report.interrupted
    assert record.total("main").statuses[200] >= 5
