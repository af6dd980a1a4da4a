"""Verification of acknowledged writes after the load.

Each write must be stored once, unchanged, and visible to its owner only. The journeys here read the
data back, each user its own, and `findings` evaluates what they recorded. Background jobs must make
progress within a timeout.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from datetime import datetime

from accounts import Steps, StepsReturning, account, ensure_logged_in
from checks import has, has_value, if_success, is_audio, is_list_of

from straingauge import Finding, Pause, Request, RequestFailed, Response, User

JOB_TIMEOUT_S = float(os.environ.get("JOB_TIMEOUT_S", "30"))
"""Time without any finished job of any user after which jobs count as stuck."""

JOB_POLL_S = 1.0
DONE = ("processed", "failed")
JOBS_DONE = re.compile(r"^jobs_done_total (\S+)$", re.MULTILINE)
PAGE_SIZE = 200
RULE = "acknowledged writes"

Problems = dict[str, list[str]]
"""Observations by cause."""


def record_upload(user: User, upload: dict[str, str]) -> None:
    """Record an acknowledged upload: its `id`, `patient`, `date`, `file` and `sha256`."""
    user.data.setdefault("uploads", []).append(upload)


def record_note_sent(user: User, session: str, note: str) -> None:
    """Record a note before it is sent: it may be stored even if no response arrives."""
    user.data.setdefault("notes", {}).setdefault(session, []).append(note)


def record_note_acknowledged(user: User, session: str, note: str) -> None:
    """Record an acknowledged note, which replaces the ones sent before."""
    user.data["notes"][session] = [note]
    user.data.setdefault("acknowledged", set()).add(session)


def verify(user: User) -> Steps:
    """Read back all acknowledged writes of a user, then try to read data of another user."""
    yield from ensure_logged_in(user)
    user.data["problems"] = {}
    user.data["verified"] = 0
    uploads = user.data.pop("uploads", [])
    for upload in uploads:
        yield from _verify_recording(user, upload)
    if uploads:
        yield from _verify_listed_once(user, uploads)
    if uploads and user.index == 0:
        yield from _verify_jobs_progress(user, [upload["id"] for upload in uploads])
    notes, acknowledged = user.data.pop("notes", {}), user.data.pop("acknowledged", set())
    if user.data["email"] == account(user.index)["email"]:  # no other user writes these sessions
        for session in sorted(acknowledged):
            yield from _verify_notes(user, session, notes[session])
    yield from _verify_isolation(user)


def findings(users: Sequence[User]) -> Iterator[Finding]:
    """Evaluate what `verify` recorded for these users."""
    problems: Problems = {}
    for user in users:
        for cause, observations in user.data.get("problems", {}).items():
            problems.setdefault(cause, []).extend(observations)
    verified = sum(user.data.get("verified", 0) for user in users)
    for cause, observations in problems.items():
        yield Finding(
            RULE,
            "critical",
            f"{observations[0]} ({len(observations)} cases in {verified} requests)",
            cause=cause,
        )
    if not problems:
        yield Finding(RULE, "target", f"all {verified} requests returned what was written")


def _verify_recording(user: User, upload: dict[str, str]) -> Steps:
    """Verify that a recording is stored unchanged."""
    request = user.get(
        f"/api/sessions/{upload['id']}/audio",
        name="GET /api/sessions/{id}/audio",
        expect=(200, 404, 429),
        checks=[if_success(is_audio)],
    )
    response = yield from _send(user, request)
    if response is None:
        return
    if response.status == 404:
        _add_problem(user, "lost_writes", f"{upload['file']} was acknowledged but is missing (404)")
    elif hashlib.sha256(response.body).hexdigest() != upload["sha256"]:
        _add_problem(
            user,
            "altered_writes",
            f"{upload['file']} was acknowledged, but the {len(response.body)} bytes read back"
            " differ",
        )


def _verify_listed_once(user: User, uploads: Sequence[dict[str, str]]) -> Steps:
    """Verify that each upload is listed once; uploads are identified by their date."""
    for patient in sorted({upload["patient"] for upload in uploads}):
        request = user.get(
            f"/api/patients/{patient}/sessions",
            params={"limit": PAGE_SIZE},
            name="GET /api/patients/{id}/sessions (verify)",
            expect=(200, 429),
            checks=[if_success(is_list_of("session_date"))],
        )
        response = yield from _send(user, request)
        if response is None:
            continue
        dates = [datetime.fromisoformat(row["session_date"]) for row in response.json()]
        for upload in uploads:
            count = dates.count(datetime.fromisoformat(upload["date"]))
            if upload["patient"] == patient and count > 1:
                _add_problem(
                    user, "doubled_writes", f"{upload['file']} was sent once and stored twice"
                )


def _verify_jobs_progress(user: User, sessions: Sequence[str]) -> Steps:
    """Verify that a job finishes within the timeout, of these sessions or an earlier one."""
    done, deadline = (yield from _jobs_done(user)), time.monotonic() + JOB_TIMEOUT_S
    while time.monotonic() < deadline:
        if (yield from _jobs_done(user)) > done:
            return
        for session in sessions:
            request = user.get(
                f"/api/sessions/{session}",
                name="GET /api/sessions/{id} (job)",
                expect=(200, 404, 429),
                checks=[if_success(has("status"))],
            )
            response = yield from _send(user, request)
            if response is None or response.status == 404:
                return  # lost, which `_verify_recording` reports
            if response.json()["status"] in DONE:
                return
        yield Pause(JOB_POLL_S)
    _add_problem(
        user, "jobs_not_draining", f"no job finished in {JOB_TIMEOUT_S:.0f} s: recordings wait"
    )


def _jobs_done(user: User) -> StepsReturning[float]:
    """Return the number of finished jobs of all users in /metrics; 0 if it is missing."""
    response = yield user.get("/metrics")
    match = JOBS_DONE.search(response.text)
    return float(match[1]) if match else 0.0


def _verify_notes(user: User, session: str, notes: Sequence[str]) -> Steps:
    """Verify that the last acknowledged note is stored, or a later one without response."""
    request = user.get(
        f"/api/sessions/{session}",
        name="GET /api/sessions/{id} (verify)",
        expect=(200, 404, 429),
        checks=[if_success(has("therapist_notes"))],
    )
    response = yield from _send(user, request)
    if response is None:
        return
    if response.status == 404:
        _add_problem(user, "lost_writes", f"session {session} is missing (404)")
    elif (stored := response.json()["therapist_notes"]) not in notes:
        _add_problem(
            user, "lost_writes", f"note {notes[0]!r} was acknowledged, but {stored!r} is stored"
        )


def _verify_isolation(user: User) -> Steps:
    """Verify that a session and a patient of another user are not readable."""
    for resource, resource_id in user.data.get("foreign", {}).items():
        if resource_id is None:
            continue
        request = user.get(
            f"/api/{resource}/{resource_id}",
            name=f"GET /api/{resource}/{{id}} (another user's)",
            expect=(200, 404, 429),
            checks=[if_success(has_value("id", resource_id))],
        )
        response = yield from _send(user, request)
        if response is not None and response.status == 200:
            _add_problem(
                user, "foreign_data", f"another user could read /api/{resource}/{resource_id}"
            )


def _send(user: User, request: Request) -> StepsReturning[Response | None]:
    """Send a request until it is not rate limited; return None if it failed (it is counted)."""
    user.data["verified"] += 1
    while True:
        try:
            response = yield request
        except RequestFailed:
            return None
        if response.status != 429:
            return response
        yield Pause(float(response.headers.get("Retry-After", 1)))


def _add_problem(user: User, cause: str, observation: str) -> None:
    user.data["problems"].setdefault(cause, []).append(observation)
