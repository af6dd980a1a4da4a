"""A Locust user in a process of its own, for Locust patches the one it is in: one call at a time.

The process reads calls, a line of JSON each, from its standard input: the Python text of a function
body in which `user` and `client` are there, the address of the service, and attributes of the
user's class. It answers with a line of JSON each: see `Called`.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from locust.env import Environment
    from straingauge.locust import JourneyUser
    from straingauge.locust.session import Session

PLAY = """
def journey(user):
    yield user.get("/x")

return str(user.run_journey(journey))
"""
"""A call that plays a journey of one GET."""


@dataclass(frozen=True)
class Called:
    """What came of a call.

    Attributes:
        value: What it returned; "exception: ..." if it raised one.
        events: What listeners to `events.request` were told, in order.
        record: By phase and endpoint, the record's figures.
        totals: Requests, connections, reconnected and abandoned of the whole call.
        setup_failures: What would have ended the run.
    """

    value: Any
    events: list[dict[str, Any]]
    record: dict[str, dict[str, Any]]
    totals: dict[str, int]
    setup_failures: list[str]

    @property
    def failures(self) -> dict[str, int]:
        """How requests failed, by kind, where there is but one endpoint."""
        (each,) = self.record.values()
        limited = {"rate_limited": each["limited"]} if each["limited"] else {}
        return each["errors"] | limited


class Locust:
    """The process as a test sees it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def call(self, url: str, text: str, **attributes: object) -> Called:
        """Have a fresh user do this."""
        order = {"url": url, "text": dedent(text), "attributes": attributes}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"it ended: {self._process.wait(10)}"
        return Called(**json.loads(answer))


@contextmanager
def locust(folder: Path) -> Iterator[Locust]:
    """Run the process in this folder."""
    (folder / "thresholds.toml").write_text(
        "[all]\nerror_rate_percent = { target = 1, warning = 5, critical = 10 }\n"
    )
    (folder / "locustfile.py").touch()
    with subprocess.Popen(
        [sys.executable, str(Path(__file__)), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Locust(process)
        finally:
            process.kill()


def main() -> None:
    """Take calls until nobody makes any."""
    import locust.main  # noqa: F401  patches the process, so not where tests run
    from gevent.fileobject import FileObject
    from locust import events
    from locust.argument_parser import get_parser
    from locust.env import Environment

    file = str(Path(sys.argv[1]) / "locustfile.py")
    import straingauge.locust  # noqa: F401  adds its options
    from straingauge.locust.events import get_session

    options = get_parser().parse_args(["-f", file, "--headless", "--host", "http://127.0.0.1:1"])
    user_class = _user_class({})
    environment = Environment(
        user_classes=[user_class],
        events=events,
        host=options.host,
        parsed_options=options,
        parsed_locustfiles=[file],
    )
    runner = environment.create_local_runner()
    events.init.fire(environment=environment, runner=runner, web_ui=None)
    session = get_session(environment)
    failures: list[str] = []
    session.fail_setup = lambda error: failures.append(str(error))  # type: ignore[method-assign]
    for line in FileObject(sys.stdin.buffer, "rb"):
        order = json.loads(line)
        failures.clear()
        told = _answer(order, environment, session)
        sys.stdout.write(json.dumps(told | {"setup_failures": failures}) + "\n")
        sys.stdout.flush()


def _user_class(attributes: Mapping[str, Any]) -> type:
    from locust import task
    from straingauge.locust import JourneyUser

    return type("Caller", (JourneyUser,), {"nothing": task(lambda _: None), **attributes})


def _answer(
    order: Mapping[str, Any], environment: "Environment", session: "Session"
) -> dict[str, Any]:
    from straingauge.locust.distributed.process_stats import ProcessStats

    session.stats.stop()
    session.stats = ProcessStats(0, session.stats.recording.started_ns)
    told: list[dict[str, Any]] = []

    def listen(**event: Any) -> None:  # noqa: ANN401  as Locust tells
        told.append(
            {
                "type": event["request_type"],
                "name": event["name"],
                "ms": event["response_time"],
                "length": event["response_length"],
                "exception": event["exception"] and str(event["exception"]),
                "context": event["context"],
                "url": event["url"],
            }
        )

    attributes = order["attributes"] | {"host": order["url"]}
    environment.events.request.add_listener(listen)
    value = _run(order["text"], _user_class(attributes)(environment))
    environment.events.request.remove_listener(listen)
    recording = session.stats.recording
    return {
        "value": value,
        "events": told,
        "record": {
            f"{phase} {endpoint}": {
                "requests": series.requests,
                "statuses": {str(key): count for key, count in series.statuses.items()},
                "errors": dict(series.errors),
                "limited": series.rate_limited.count,
                "examples": [each.detail for each in series.examples],
                "response_ms": (series.response.max_ns or 0) / 1e6,
                "service_ms": (series.service.max_ns or 0) / 1e6,
                "first_byte_ms": (series.first_byte.max_ns or 0) / 1e6,
            }
            for (phase, endpoint), series in recording.snapshot().series.items()
        },
        "totals": {
            name: getattr(recording, name)
            for name in ("requests", "connections", "reconnected", "abandoned")
        },
    }


def _run(text: str, user: "JourneyUser") -> object:
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    names: dict[str, Any] = {}
    exec(f"def call(user, client):\n{lines}", names)  # noqa: S102  a test's own text
    try:
        return names["call"](user, user.client)
    except BaseException as error:  # noqa: BLE001  the test is told
        return f"exception: {type(error).__name__}: {error}"
    finally:
        user.on_stop()


if __name__ == "__main__":
    main()
