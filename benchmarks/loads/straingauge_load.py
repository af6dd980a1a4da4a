"""straingauge's engine as one generator process: `straingauge_load.py CASE URL SECONDS [FILE]`.

CASE is get, mix, upload, open or connections. Prints statistics of the engine and the record as
JSON.
"""

import json
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

from straingauge.engine import Load, run_load
from straingauge.recording import Recorder

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
OPEN_RATE_PER_S, OPEN_USERS = 5_000, 500
CONNECTIONS, CONNECTIONS_RAMP_S = 10_000, 8.0


def read(user: User) -> Steps:
    """Send one GET request."""
    yield user.get(payloads.GET_PATH)


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
    closed = constant_users(count=USERS, duration_s=seconds)
    if case == "get":
        return read, closed, USERS
    if case == "mix":
        return work, closed, USERS
    if case == "upload" and file is not None:
        return upload_of(file), closed, USERS
    if case == "open":
        return read, constant(rate_per_s=OPEN_RATE_PER_S, duration_s=seconds), OPEN_USERS
    if case == "connections":
        idle = constant_users(
            count=CONNECTIONS, duration_s=seconds, ramp_s=CONNECTIONS_RAMP_S, think_s=1.0
        )
        return read, idle, CONNECTIONS
    raise SystemExit(__doc__)


def peak_resident_bytes() -> int:
    """Return the peak resident memory of this process: VmHWM of proc(5)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Run the load and print the statistics."""
    case, url, seconds, *rest = sys.argv[1:]
    journey, schedule, count = load_of(case, float(seconds), Path(rest[0]) if rest else None)
    load = Load(url, schedule, mix((journey, 1)), [User(index) for index in range(count)])
    recorder = Recorder()
    report = run_load(load, recorder)
    total = recorder.snapshot().total("main")
    statistics: dict[str, Any] = {
        "requests": total.requests,
        "errors": dict(total.errors),
        "examples": [example.detail for example in total.examples],
        "planned": getattr(schedule, "count", None) if case == "open" else None,
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
