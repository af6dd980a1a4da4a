"""The example with Redis, against a real server."""

import importlib.util
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from raw_server import answering, serve
from redis_server import redis_server
from straingauge.engine import Load, run_load
from straingauge.journey import Journey, User, mix
from straingauge.recording import Record, Recorder
from straingauge.schedule import constant_users

pytest.importorskip("redis", reason="the example needs the package redis")
EXAMPLE = Path(__file__).parent.parent / "examples" / "redis" / "journeys.py"


@pytest.fixture(scope="module")
def redis() -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Start Redis without persistence."""
    with redis_server() as running:
        yield running


@pytest.fixture
def example(
    redis: tuple["subprocess.Popen[bytes]", int], monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """Load the example for that server."""
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{redis[1]}")
    spec = importlib.util.spec_from_file_location("redis_journeys", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(journey: Journey, **schedule: Any) -> Record:  # noqa: ANN401  of the schedule
    """Run a journey with five users."""
    recorder = Recorder()
    with serve(answering()) as server:
        load = Load(
            server.url,
            constant_users(count=5, **schedule),
            mix(journey),
            [User(index) for index in range(5)],
        )
        run_load(load, recorder)
    return recorder.snapshot()


def test_the_example_measures_redis(example: ModuleType):
    """Each command is an endpoint, in each phase of a load, and the keys are removed at the end."""
    record = run(example.use_cache, iterations=20)
    assert {name: each.requests for name, each in record.endpoints("main").items()} == {
        "redis set": 100,
        "redis get": 100,
        "redis incr": 100,
    }
    assert not record.total("main").errors
    assert run(example.tear_down, iterations=1).total("main").requests == 5

    def count(_user: User):
        assert (yield example.call(example.redis().dbsize)) == 0

    assert not run(count, iterations=1).total("main").errors


def test_errors_of_redis_have_their_own_kinds(
    example: ModuleType, redis: tuple["subprocess.Popen[bytes]", int]
):
    """A wrong command and a lost server are errors of the client's types."""

    def wrong(_user: User):
        yield example.call(example.redis().execute_command, "NONSENSE", name="nonsense")

    assert run(wrong, iterations=1).total("main").errors == {"redis.ResponseError": 5}
    redis[0].kill()
    redis[0].wait()
    assert run(example.use_cache, iterations=1).total("main").errors == {"redis.ConnectionError": 5}
