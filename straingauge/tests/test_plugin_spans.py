"""Spans that pytest receives during load tests."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from straingauge.errors import UsageError
from straingauge.journey import User, mix
from straingauge.pytest_plugin.options import _destination
from straingauge.pytest_plugin.span_receiver import span_receiver
from straingauge.runner import LoadRunner, LoadSpec, LoginCache
from straingauge.schedule import constant_users
from straingauge.target.ports import free_port
from straingauge.workers import LocalCoordinator, Shard


def config(**given: Any) -> Any:  # noqa: ANN401  values of options, as pytest's configuration
    """Return a configuration with these options of load tests."""
    values = {_destination(f"--load-{k.replace('_', '-')}"): v for k, v in given.items()}
    return SimpleNamespace(option=SimpleNamespace(**values))


def test_all_processes_of_a_load_know_its_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of one session agree on the trace ids of a test; another session has other ones."""
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "run1")
    one, same, other = (
        span_receiver(config(otlp_port="4318"), test) for test in ("test_a", "test_a", "test_b")
    )
    assert one is not None
    assert same is not None
    assert other is not None
    assert one.buffer.prefix == same.buffer.prefix != other.buffer.prefix
    assert len(bytes.fromhex(one.buffer.prefix)) == 8
    monkeypatch.delenv("PYTEST_XDIST_TESTRUNUID")
    alone = span_receiver(config(otlp_port="4318"), "test_a")
    assert alone is not None
    assert alone.buffer.prefix != one.buffer.prefix
    assert span_receiver(config(), "test_a") is None


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "4318x"])
def test_invalid_ports_are_errors(port: str) -> None:
    """A value that is no port is a usage error that names the option."""
    with pytest.raises(UsageError, match="--load-otlp-port"):
        span_receiver(config(otlp_port=port), "test_a")


def test_spans_need_the_header_in_pytest() -> None:
    """Without the header no span belongs to a request."""
    with pytest.raises(UsageError, match="traceparent"):
        span_receiver(config(otlp_port="4318", no_traceparent=True), "test_a")


def test_only_the_leader_receives_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that judges the load listens before the log-in, and no other one does."""
    coordinator = LocalCoordinator(lambda *_: "http://127.0.0.1:9", lambda _test, _merged: False)
    heard: list[bool] = []

    def prepare(runner: LoadRunner, _logins: object) -> None:
        heard.append(hasattr(runner._receiver, "port"))
        raise KeyboardInterrupt

    monkeypatch.setattr(LoadRunner, "_prepare", prepare)
    monkeypatch.setattr("straingauge.runner.load_runner.run_metadata", lambda *_: None)
    spec = LoadSpec(
        name="load",
        test="t",
        test_file=Path(__file__),
        max_processes=2,
        journeys=mix(lambda user: iter([user.get("/")])),  # type: ignore[arg-type,return-value]
        schedule=constant_users(count=1, iterations=1),
        users=[User(0)],
        trace_prefix="0" * 16,
    )
    for index in (0, 1):
        monkeypatch.setattr(LocalCoordinator, "join", lambda *_, i=index: Shard(i, 2))
        receiver = span_receiver(config(otlp_port=str(free_port())), "t")
        with pytest.raises(KeyboardInterrupt):
            LoadRunner(spec, coordinator, "main", receiver=receiver).run(LoginCache())
    assert heard == [True, False]
