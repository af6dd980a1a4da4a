"""Streams and WebSockets as one generator process: `straingauge_streams.py CASE URL SECONDS`.

CASE is sse or websocket. Prints rates and times as JSON.
"""

import json
import resource
import sys
from collections.abc import Generator
from typing import Any

from straingauge.engine import Load, run_load
from straingauge.recording import Recorder
from straingauge.statistics import metrics

from straingauge import Journey, Stream, User, constant_users, mix

STREAMS, WEBSOCKETS = 1_000, 5_000
MESSAGE = '{"id": 1, "text": "hello"}'


def watch(user: User) -> Generator[Any, Any, None]:
    """Read events until the end of the load."""
    yield user.get("/events", stream=Stream())


def talk(user: User) -> Generator[Any, Any, None]:
    """Send a message when the last one has come back, until the end of the load."""
    socket = yield user.websocket("/echo")
    while True:
        yield socket.send(MESSAGE)
        yield socket.receive()


def main() -> None:
    """Run the load and print the statistics."""
    case, url, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    journeys: dict[str, tuple[Journey, int]] = {
        "sse": (watch, STREAMS),
        "websocket": (talk, WEBSOCKETS),
    }
    journey, count = journeys[case]
    schedule = constant_users(count=count, duration_s=seconds, ramp_s=seconds / 4)
    recorder = Recorder()
    load = Load(url, schedule, mix(journey), [User(index) for index in range(count)])
    stats = run_load(load, recorder)
    record = recorder.snapshot()
    found = metrics(record)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = usage.ru_utime + usage.ru_stime
    report = {"errors": found["errors"]["kinds"], "peak_mb": usage.ru_maxrss / 1000}
    if case == "sse":
        streams = found["streams"]
        times = streams["event_gap_ms"]
        report |= {
            "streams": streams["streams"],
            "count": streams["events"],
            "stalls": streams["stalls"],
        }
    else:
        times = record.endpoints("main")["WS /echo receive"].response
        sockets = found["websockets"]
        report |= {"websockets": sockets["websockets"], "count": sockets["received"]}
        times = {"p50": times.quantile_ns(0.5) / 1e6, "p99": times.quantile_ns(0.99) / 1e6}
    report |= {"p50_ms": times["p50"], "p99_ms": times["p99"], "cpu_s": cpu_s}
    report["rate_per_s"] = report["count"] / stats.duration_s
    report["cpu_us"] = 1e6 * cpu_s / report["count"]
    print(json.dumps(report))


if __name__ == "__main__":
    main()
