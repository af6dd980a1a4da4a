"""A Locust user in a separate process, since Locust patches the one it is in.

The process reads calls from its standard input, each a line of JSON: the Python code of a function
body with the names `user` and `client`, the URL of the service, and attributes of the user's class.
It answers each with a line of JSON: see `Outcome`.
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

RUN_JOURNEY = """
def journey(user):
    yield user.get("/x")

return str(user.run_journey(journey))
"""
"""A call that runs a journey of one GET request."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a call.

    Attributes:
        value: Its return value; "exception: ..." if it raised one.
        events: Request events that Locust fired, in order.
        record: Recorded metrics by phase and endpoint.
        totals: Numbers of requests, connections, reconnected, closed_idle and abandoned.
        http2_connections: Number of connections that speak HTTP/2.
        setup_failures: Errors that would have ended the run.
    """

    value: Any
    events: list[dict[str, Any]]
    record: dict[str, dict[str, Any]]
    totals: dict[str, int]
    http2_connections: int
    setup_failures: list[str]

    @property
    def failures(self) -> dict[str, int]:
        """Number of failures by kind, of a call to one endpoint."""
        (endpoint,) = self.record.values()
        limited = {"rate_limited": endpoint["limited"]} if endpoint["limited"] else {}
        return {**endpoint["errors"], **limited}


class Locust:
    """The process with the Locust user."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def call(self, url: str, text: str, **attributes: object) -> Outcome:
        """Run code with a new user."""
        call = {"url": url, "text": dedent(text), "attributes": attributes}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"exit code {self._process.wait(10)}"
        return Outcome(**json.loads(answer))


@contextmanager
def locust(folder: Path) -> Iterator[Locust]:
    """Run the process in a folder."""
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
    """Answer calls until the input ends."""
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
        call = json.loads(line)
        failures.clear()
        outcome = _run_call(call, environment, session)
        sys.stdout.write(json.dumps(outcome | {"setup_failures": failures}) + "\n")
        sys.stdout.flush()


def _user_class(attributes: Mapping[str, Any]) -> type:
    from locust import task
    from straingauge.locust import JourneyUser

    return type("Caller", (JourneyUser,), {"nothing": task(lambda _: None), **attributes})


def _run_call(
    call: Mapping[str, Any], environment: "Environment", session: "Session"
) -> dict[str, Any]:
    from straingauge.locust.distributed.process_stats import ProcessStats

    session.stats.stop()
    session.stats = ProcessStats(0, session.stats.recording.started_ns)
    fired: list[dict[str, Any]] = []

    def listen(**event: Any) -> None:  # noqa: ANN401  as Locust fires it
        fired.append(
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

    attributes = call["attributes"] | {"host": call["url"]}
    environment.events.request.add_listener(listen)
    value = _run(call["text"], _user_class(attributes)(environment))
    environment.events.request.remove_listener(listen)
    recording = session.stats.recording
    return {
        "value": value,
        "events": fired,
        "record": {
            f"{phase} {endpoint}": {
                "requests": series.requests,
                "statuses": {str(key): count for key, count in series.statuses.items()},
                "errors": dict(series.errors),
                "limited": series.rate_limited.count,
                "streams": dict(series.streams.counts),
                "websockets": dict(series.websockets.counts),
                "examples": [each.detail for each in series.examples],
                "example_traces": [each.trace_id for each in series.examples],
                "slow_traces": [each.trace_id for each in series.slowest],
                "response_ms": (series.response.max_ns or 0) / 1e6,
                "service_ms": (series.service.max_ns or 0) / 1e6,
                "first_byte_ms": (series.first_byte.max_ns or 0) / 1e6,
            }
            for (phase, endpoint), series in recording.snapshot().series.items()
        },
        "http2_connections": recording.http2_connections,
        "totals": {
            "requests": recording.requests,
            **{
                name: session.stats.to_message()["engine"][name]
                for name in ("connections", "reconnected", "closed_idle", "abandoned")
            },
        },
    }


def _run(text: str, user: "JourneyUser") -> object:
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    names: dict[str, Any] = {}
    exec(f"def call(user, client):\n{lines}", names)  # noqa: S102  code of a test
    try:
        return names["call"](user, user.client)
    except BaseException as error:  # noqa: BLE001  reported to the test
        return f"exception: {type(error).__name__}: {error}"
    finally:
        user.on_stop()


if __name__ == "__main__":
    main()
