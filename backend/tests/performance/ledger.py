"""The ledger: every write the service acknowledged is looked up again after the load.

It must be there, once, as it was sent, and visible to its owner alone. Journeys look, each user for
itself; `findings` judges what they remember. What the service does with a recording later is its
jobs' work: the first of them must be done before long.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from datetime import datetime

from accounts import Asking, Steps, account, signed_in
from checks import has, has_value, if_served, is_audio, is_list_of

from straingauge import Finding, Pause, Request, RequestFailed, Response, User

PATIENCE_S = float(os.environ.get("JOB_PATIENCE_S", "30"))
"""So long may all jobs of all users make no progress at all."""

POLL_S = 1.0
DONE = ("processed", "failed")
JOBS_DONE = re.compile(r"^jobs_done_total (\S+)$", re.MULTILINE)
PAGE = 200

Wrong = dict[str, list[str]]
"""Cause -> what was seen of it."""


def remember(user: User, acknowledged: dict[str, str]) -> None:
    """Enter an acknowledged upload: its `id`, `patient`, `date`, `file` and `sha256`."""
    user.data.setdefault("uploads", []).append(acknowledged)


def note_sent(user: User, session: str, notes: str) -> None:
    """Enter notes that are on their way: if no answer comes they may arrive all the same."""
    user.data.setdefault("notes", {}).setdefault(session, []).append(notes)


def note_acknowledged(user: User, session: str, notes: str) -> None:
    """Enter an acknowledged change of a session's notes: what was sent before is gone."""
    user.data["notes"][session] = [notes]
    user.data.setdefault("acknowledged", set()).add(session)


def look_up(user: User) -> Steps:
    """Look up all that was acknowledged to this user, and then what is none of its business."""
    yield from signed_in(user)
    user.data["wrong"] = {}
    user.data["looked_up"] = 0
    uploads = user.data.pop("uploads", [])
    for upload in uploads:
        yield from _recording(user, upload)
    if uploads:
        yield from _listed(user, uploads)
    if uploads and user.index == 0:
        yield from _worked_off(user, [upload["id"] for upload in uploads])
    notes, acknowledged = user.data.pop("notes", {}), user.data.pop("acknowledged", set())
    if user.data["email"] == account(user.index)["email"]:  # nobody else writes in these sessions
        for session in sorted(acknowledged):
            yield from _notes(user, session, notes[session])
    yield from _others(user)


def findings(users: Sequence[User]) -> Iterator[Finding]:
    """What these users remember of having looked."""
    wrong: Wrong = {}
    for user in users:
        for cause, seen in user.data.get("wrong", {}).items():
            wrong.setdefault(cause, []).extend(seen)
    looked_up = sum(user.data.get("looked_up", 0) for user in users)
    for cause, seen in wrong.items():
        yield Finding(
            "ledger",
            "critical",
            f"{seen[0]} ({len(seen)} such cases; {looked_up} requests looked)",
            cause=cause,
        )
    if not wrong:
        yield Finding("ledger", "target", f"all {looked_up} looked up are as they should be")


def _recording(user: User, upload: dict[str, str]) -> Steps:
    """The recording is there, byte for byte."""
    request = user.get(
        f"/api/sessions/{upload['id']}/audio",
        name="GET /api/sessions/{id}/audio",
        expect=(200, 404, 429),
        checks=[if_served(is_audio)],
    )
    answer = yield from _patiently(user, request)
    if answer is None:
        return
    if answer.status == 404:
        _note(user, "lost_writes", f"{upload['file']} was acknowledged and is not there (404)")
    elif hashlib.sha256(answer.body).hexdigest() != upload["sha256"]:
        _note(
            user,
            "altered_writes",
            f"the {len(answer.body)} bytes read back are not {upload['file']} as it was"
            " acknowledged",
        )


def _listed(user: User, uploads: Sequence[dict[str, str]]) -> Steps:
    """Each stands in the list of its patient's sessions once; dates tell uploads apart."""
    for patient in sorted({upload["patient"] for upload in uploads}):
        request = user.get(
            f"/api/patients/{patient}/sessions",
            params={"limit": PAGE},
            name="GET /api/patients/{id}/sessions (ledger)",
            expect=(200, 429),
            checks=[if_served(is_list_of("session_date"))],
        )
        answer = yield from _patiently(user, request)
        if answer is None:
            continue
        dates = [datetime.fromisoformat(row["session_date"]) for row in answer.json()]
        for upload in uploads:
            times = dates.count(datetime.fromisoformat(upload["date"]))
            if upload["patient"] == patient and times > 1:
                _note(user, "doubled_writes", f"{upload['file']} was sent once and is there twice")


def _worked_off(user: User, sessions: Sequence[str]) -> Steps:
    """A job is done before long, one of these or one that was there before them."""
    done, give_up_at = (yield from _jobs_done(user)), time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_at:
        if (yield from _jobs_done(user)) > done:
            return
        for session in sessions:
            request = user.get(
                f"/api/sessions/{session}",
                name="GET /api/sessions/{id} (job)",
                expect=(200, 404, 429),
                checks=[if_served(has("status"))],
            )
            answer = yield from _patiently(user, request)
            if answer is None or answer.status == 404:
                return  # it is lost, which was said
            if answer.json()["status"] in DONE:
                return
        yield Pause(POLL_S)
    _note(user, "jobs_not_draining", f"no job was done in {PATIENCE_S:.0f} s: recordings wait")


def _jobs_done(user: User) -> Asking[float]:
    """What the service counts, over all users and all that was queued before; else 0."""
    answer = yield user.get("/metrics")
    found = JOBS_DONE.search(answer.text)
    return float(found[1]) if found else 0.0


def _notes(user: User, session: str, notes: Sequence[str]) -> Steps:
    """The last notes that were acknowledged are there, or later ones that were not."""
    request = user.get(
        f"/api/sessions/{session}",
        name="GET /api/sessions/{id} (ledger)",
        expect=(200, 404, 429),
        checks=[if_served(has("therapist_notes"))],
    )
    answer = yield from _patiently(user, request)
    if answer is None:
        return
    if answer.status == 404:
        _note(user, "lost_writes", f"session {session} is not there any more (404)")
    elif (found := answer.json()["therapist_notes"]) not in notes:
        _note(user, "lost_writes", f"notes {notes[0]!r} were acknowledged, and there is {found!r}")


def _others(user: User) -> Steps:
    """Another user's session and patient are not there for this one."""
    for kind, number in user.data.get("foreign", {}).items():
        if number is None:
            continue
        request = user.get(
            f"/api/{kind}/{number}",
            name=f"GET /api/{kind}/{{id}} (another user's)",
            expect=(200, 404, 429),
            checks=[if_served(has_value("id", number))],
        )
        answer = yield from _patiently(user, request)
        if answer is not None and answer.status == 200:
            _note(user, "foreign_data", f"another user could read /api/{kind}/{number}")


def _patiently(user: User, request: Request) -> Asking[Response | None]:
    """Ask until no limit refuses: that is no loss. None where the request went wrong (counted)."""
    user.data["looked_up"] += 1
    while True:
        try:
            answer = yield request
        except RequestFailed:
            return None
        if answer.status != 429:
            return answer
        yield Pause(float(answer.headers.get("Retry-After", 1)))


def _note(user: User, cause: str, seen: str) -> None:
    user.data["wrong"].setdefault(cause, []).append(seen)
