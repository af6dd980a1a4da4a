"""straingauge's engine as one generator process: `straingauge_load.py WORK URL SECONDS [FILE]`.

WORK is get, mix, upload, open or connections. Prints as JSON what the engine and its record say.
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
import pages

Steps = Generator[Request, Response, None]
USERS = 50
OPEN_RATE_PER_S, OPEN_USERS = 5_000, 500
CONNECTIONS, CONNECTIONS_RAMP_S = 10_000, 8.0


def read(user: User) -> Steps:
    """One GET."""
    yield user.get(pages.GET_PATH)


def work(user: User) -> Steps:
    """Log in, open the list, read one of its sessions."""
    answer = yield user.post(
        pages.LOGIN_PATH,
        json={"email": "test@example.com", "password": "TestPass123!"},
        checks=[has_token],
    )
    user.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    rows = (yield user.get(pages.LIST_PATH, checks=[has_sessions])).json()
    session = user.random.choice(rows)["id"]

    def is_that_one(response: Response) -> str | None:
        return None if response.json()["id"] == session else "another session than asked for"

    yield user.get(
        f"{pages.LIST_PATH}{session}", name=f"GET {pages.LIST_PATH}{{id}}", checks=[is_that_one]
    )


def has_token(response: Response) -> str | None:
    """Check that there is a token."""
    return None if response.json()["access_token"] else "no token"


def has_sessions(response: Response) -> str | None:
    """Check that there are sessions, each with its id."""
    rows = response.json()
    return None if rows and all(row["id"] for row in rows) else "no sessions, or one without id"


def upload_of(path: Path) -> Journey:
    """A journey that uploads this file, read anew each time."""
    form = Upload({"patient_id": "1"}, {"file": FilePart(path)})

    def upload(user: User) -> Steps:
        yield user.post(pages.UPLOAD_PATH, upload=form, expect=[202])

    return upload


def load_of(what: str, seconds: float, file: Path | None) -> tuple[Journey, Schedule, int]:
    """Journey, schedule and number of users of a work."""
    closed = constant_users(count=USERS, duration_s=seconds)
    if what == "get":
        return read, closed, USERS
    if what == "mix":
        return work, closed, USERS
    if what == "upload" and file is not None:
        return upload_of(file), closed, USERS
    if what == "open":
        return read, constant(rate_per_s=OPEN_RATE_PER_S, duration_s=seconds), OPEN_USERS
    if what == "connections":
        idle = constant_users(
            count=CONNECTIONS, duration_s=seconds, ramp_s=CONNECTIONS_RAMP_S, think_s=1.0
        )
        return read, idle, CONNECTIONS
    raise SystemExit(__doc__)


def peak_resident_bytes() -> int:
    """The most memory this process ever had resident: VmHWM of proc(5)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Play, and say how it went."""
    what, url, seconds, *rest = sys.argv[1:]
    journey, schedule, count = load_of(what, float(seconds), Path(rest[0]) if rest else None)
    load = Load(url, schedule, mix((journey, 1)), [User(index) for index in range(count)])
    recorder = Recorder()
    report = run_load(load, recorder)
    total = recorder.snapshot().total("main")
    said: dict[str, Any] = {
        "requests": total.requests,
        "errors": dict(total.errors),
        "examples": [example.detail for example in total.examples],
        "planned": getattr(schedule, "count", None) if what == "open" else None,
        "sent": report.sent,
        "dropped": report.dropped,
        "late_p50_ms": report.late_ms.p50,
        "late_p99_ms": report.late_ms.p99,
        "late_max_ms": report.late_ms.max,
        "peak_mb": peak_resident_bytes() / 1e6,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
