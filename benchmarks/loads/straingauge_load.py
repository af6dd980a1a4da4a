"""straingauge's engine as one generator process: `straingauge_load.py CASE URL SECONDS [FILE]`.

CASE is get, http2, mix, upload, open_RATE (arrivals/s), connections, users_N, endpoints_N or
workers_N (processes). Prints statistics of the engine and the record as JSON.
"""

import json
import sys
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from straingauge.engine import EngineStats, Load, run_load
from straingauge.http.settings import HttpSettings
from straingauge.recording import Record, Recorder

from straingauge import (
    FilePart,
    Journey,
    Request,
    Response,
    Schedule,
    Upload,
    User,
    constant,
    constant_users,
    mix,
)

sys.path.append(str(Path(__file__).resolve().parent.parent))
import payloads

Steps = Generator[Request, Response, None]
USERS = 50
OPEN_USERS = 500
CONNECTIONS, CONNECTIONS_RAMP_S = 10_000, 8.0


def read(user: User) -> Steps:
    """Send one GET request."""
    yield user.get(payloads.GET_PATH)


def read_all(endpoints: int) -> Journey:
    """Return a journey that sends each request under the next of this many names."""
    numbers = cycle(range(endpoints))

    def read_next(user: User) -> Steps:
        yield user.get(payloads.GET_PATH, name=f"GET /resource/{next(numbers)}")

    return read_next


def work(user: User) -> Steps:
    """Log in, open the list, read one of its sessions."""
    response = yield user.post(
        payloads.LOGIN_PATH,
        json={"email": "test@example.com", "password": "TestPass123!"},
        checks=[has_token],
    )
    user.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
    rows = (yield user.get(payloads.LIST_PATH, checks=[has_sessions])).json()
    session = user.random.choice(rows)["id"]

    def is_that_one(response: Response) -> str | None:
        return None if response.json()["id"] == session else "not the requested session"

    yield user.get(
        f"{payloads.LIST_PATH}{session}",
        name=f"GET {payloads.LIST_PATH}{{id}}",
        checks=[is_that_one],
    )


def has_token(response: Response) -> str | None:
    """Check that there is a token."""
    return None if response.json()["access_token"] else "no token"


def has_sessions(response: Response) -> str | None:
    """Check that there are sessions, each with its id."""
    rows = response.json()
    return None if rows and all(row["id"] for row in rows) else "no sessions, or one without id"


def upload_of(path: Path) -> Journey:
    """Return a journey that uploads a file, which is read each time."""
    form = Upload({"patient_id": "1"}, {"file": FilePart(path)})

    def upload(user: User) -> Steps:
        yield user.post(payloads.UPLOAD_PATH, upload=form, expect=[202])

    return upload


def load_of(case: str, seconds: float, file: Path | None) -> tuple[Journey, Schedule, int]:
    """Return the journey, the schedule and the number of users of a case."""
    name, _, number = case.partition("_")
    size = int(number) if number.isdecimal() else 0
    journey: Journey = read
    schedule: Schedule | None = None
    count = USERS
    match name:
        case "get" | "http2":
            pass
        case "workers":
            count = USERS * size
        case "mix":
            journey = work
        case "upload" if file is not None:
            journey = upload_of(file)
        case "endpoints":
            journey = read_all(size)
        case "users":
            count = size
        case "open":
            count, schedule = OPEN_USERS, constant(rate_per_s=size, duration_s=seconds)
        case "connections":
            count = CONNECTIONS
            schedule = constant_users(
                count=count, duration_s=seconds, ramp_s=CONNECTIONS_RAMP_S, think_s=1.0
            )
        case _:
            raise SystemExit(__doc__)
    return journey, schedule or constant_users(count=count, duration_s=seconds), count


def peak_resident_bytes() -> int:
    """Return the peak resident memory of this process: VmHWM of proc(5)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def run_share(
    arguments: list[str], share: tuple[int, int]
) -> tuple[bytes, EngineStats, int | None]:
    """Run one worker's share; return its record, its statistics and the number of arrivals."""
    case, url, seconds, *rest = arguments
    journey, schedule, count = load_of(case, float(seconds), Path(rest[0]) if rest else None)
    users = [User(index) for index in range(count)]
    http2 = HttpSettings(insecure=True, http2="negotiate")
    http = http2 if case == "http2" else HttpSettings()
    load = Load(url, schedule, mix((journey, 1)), users, http=http)
    recorder = Recorder()
    report = run_load(load, recorder, share=share)
    if case == "http2" and report.http2_connections != report.connections:
        raise SystemExit(f"{report.http1_instead} connections speak HTTP/1.1")
    planned = getattr(schedule, "count", None) if case.startswith("open_") else None
    return recorder.snapshot().to_bytes(), report, planned


def main() -> None:
    """Run the load and print the statistics."""
    arguments = sys.argv[1:]
    name, _, number = arguments[0].partition("_")
    workers = int(number) if name == "workers" else 1
    shares = []
    if workers > 1:
        pool = ProcessPoolExecutor(workers - 1, get_context("fork"))
        shares = [pool.submit(run_share, arguments, (n, workers)) for n in range(1, workers)]
    encoded, report, planned = run_share(arguments, (0, workers))
    others = [Record.from_bytes(each.result()[0]) for each in shares]
    total = Record.from_bytes(encoded).merge(*others).total("main")
    statistics: dict[str, Any] = {
        "requests": total.requests,
        "errors": dict(total.errors),
        "examples": [example.detail for example in total.examples],
        "planned": planned,
        "sent": report.sent,
        "dropped": report.dropped,
        "start_delay_p50_ms": report.start_delay_ms.p50,
        "start_delay_p99_ms": report.start_delay_ms.p99,
        "start_delay_max_ms": report.start_delay_ms.max,
        "peak_mb": peak_resident_bytes() / 1e6,
    }
    print(json.dumps(statistics))


if __name__ == "__main__":
    main()
