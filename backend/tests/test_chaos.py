"""`make chaos`: the comparison of writes with what is stored, its table, and a few real kills."""

import hashlib
import random
import uuid
from pathlib import Path
from typing import Any

import pytest
from app.audio.storage import AudioStore
from tests.chaos.__main__ import main
from tests.chaos.campaign import Trial, missed_goals, running
from tests.chaos.client import Client
from tests.chaos.connection import Answer, form
from tests.chaos.disturbances import ALL
from tests.chaos.provider import file_part, notes_of, transcript_of
from tests.chaos.table import TABLE, row
from tests.chaos.verification import (
    ALTERED,
    DOUBLED,
    FILES,
    JOBS,
    LOST,
    check_files,
    check_results,
    compare,
    unknown_files,
)
from tests.chaos.write_log import PATIENT, SESSION, FieldLog, WriteLog

OWNER = "ann@example.com"


def patient(**changes: str) -> dict[str, Any]:
    """Return a stored patient, as it was acknowledged."""
    return {"key": "Bo", "id": "1", "owner": OWNER, "phone": "2"} | changes


def patient_log(*, acknowledged: bool = True) -> WriteLog:
    """Return the log of a patient whose phone was "1", "2" (acknowledged) and perhaps "3"."""
    log = WriteLog()
    record = log.add(PATIENT, "Bo", OWNER)
    record.id = "1" if acknowledged else None
    record.fields["phone"] = FieldLog(["1", "2", "3"], acknowledged=1)
    return log


@pytest.mark.parametrize(
    ("rows", "category"),
    [
        ([patient()], None),
        ([patient(phone="3")], None),
        ([patient(phone="1")], LOST),
        ([patient(phone="4")], ALTERED),
        ([], LOST),
        ([patient(), patient()], DOUBLED),
        ([patient(owner="bob@example.com")], ALTERED),
        ([patient(id="2")], ALTERED),
        ([patient(), patient(key="Cy")], ALTERED),
    ],
)
def test_stored_rows_are_compared_with_the_log(rows: list[dict[str, Any]], category: str | None):
    """An acknowledged write is stored once, with its last value or one that was sent later."""
    findings = compare(patient_log(), PATIENT, rows)
    assert [name for name in findings.problems if findings.count(name)] == [
        name for name in [category] if name
    ]


def test_write_without_a_response_is_stored_once_or_not_at_all():
    """An open write may be stored once; a refused one may not be stored."""
    log = patient_log(acknowledged=False)
    assert compare(log, PATIENT, []).is_empty
    assert compare(log, PATIENT, [patient()]).is_empty
    assert compare(log, PATIENT, [patient(), patient()]).count(DOUBLED) == 1
    record = log.find(PATIENT, "Bo")
    assert record is not None
    record.refused = True
    assert compare(log, PATIENT, [patient()]).count(ALTERED) == 1


def stored_session(**changes: str | None) -> dict[str, Any]:
    """Return a session that was processed."""
    return {
        "key": "ab",
        "status": "processed",
        "failure_reason": None,
        "transcript": transcript_of("ab"),
        "summary": notes_of("ab"),
    } | changes


def test_results_of_jobs_are_checked():
    """A session has the results of its recording; only a job that kills its worker is given up."""
    log = WriteLog()
    record = log.add(SESSION, "ab", OWNER)
    assert check_results(log, [stored_session()]).is_empty
    assert check_results(log, [stored_session(status="transcribing")]).count(JOBS) == 1
    assert check_results(log, [stored_session(transcript=transcript_of("cd"))]).count(ALTERED) == 1
    record.dies = True
    given_up = "the processing ended unexpectedly (4 attempts)"
    failed = stored_session(status="failed", failure_reason=given_up)
    assert check_results(log, [failed]).is_empty
    assert check_results(log, [stored_session(status="failed")]).count(JOBS) == 1


def test_recordings_are_compared_with_sessions(tmp_path: Path):
    """A missing, changed or unexplained file is found; one of an open upload is none."""
    store, log = AudioStore(tmp_path), WriteLog()
    session_id, content = uuid.uuid4(), b"a recording"
    sha256 = hashlib.sha256(content).hexdigest()
    sessions = [{"key": sha256, "id": str(session_id)}]
    assert check_files(tmp_path, sessions).count(FILES) == 1
    path = store.path(session_id)
    path.parent.mkdir()
    path.write_bytes(content)
    assert check_files(tmp_path, sessions).is_empty
    assert unknown_files(tmp_path, sessions, log).is_empty
    assert unknown_files(tmp_path, [], log).count(FILES) == 1
    record = log.add(SESSION, sha256, OWNER)
    assert unknown_files(tmp_path, [], log).is_empty
    record.refused = True
    assert unknown_files(tmp_path, [], log).count(FILES) == 1
    path.write_bytes(b"another one")
    assert check_files(tmp_path, sessions).count(ALTERED) == 1


def test_client_records_responses_and_their_lack(monkeypatch: pytest.MonkeyPatch):
    """A 4xx says that nothing is stored; after a 5xx or no response it may be."""
    log = WriteLog()
    client = Client(1, log, seed=1)
    answers = iter(
        [
            (201, {"id": "1"}),
            (422, {}),
            (503, {}),
            (0, None),
        ]
    )

    def respond(*_: object, **__: object) -> Answer:
        return Answer(*next(answers))

    monkeypatch.setattr(client._connection, "request", respond)
    for _ in range(4):
        client._create_patient()
    states = [(record.id, record.refused) for record in log.of(PATIENT)]
    assert states == [("1", False), (None, True), (None, False), (None, False)]
    assert (log.acknowledged, log.refused, len(log.unexpected)) == (1, 2, 1)


def test_upload_reaches_the_provider_unchanged():
    """The provider finds the recording in a form, also if it holds line ends."""
    recording = b"\r\n--\r\n" + random.Random(1).randbytes(100) + b"\r\n"
    assert file_part(*form({"patient_id": "1"}, recording)) == recording


def trial(name: str, ready_s: float | None, *, refused: int = 0, lost: int = 0) -> Trial:
    """Return a trial."""
    made = Trial(name, acknowledged=100, refused=refused, ready_s=ready_s)
    for _ in range(lost):
        made.findings.add(LOST, "gone")
    return made


def test_missed_goals_are_named():
    """A loss, a late start and a request refused by a reload are missed goals."""
    assert missed_goals(ALL["worker"], trial("worker", 4.9, refused=3)) == []
    assert missed_goals(ALL["worker"], trial("worker", 5.1)) == ["ready"]
    assert missed_goals(ALL["worker"], trial("worker", None, lost=2)) == [LOST, "ready"]
    assert missed_goals(ALL["reload"], trial("reload", 1.0, refused=1)) == ["refused"]


def test_table_fits_a_terminal():
    """A row has at most 80 columns; a second line names the missed goals."""
    trials = [trial("frozen-postgres", 104.25, refused=10_000, lost=7)] * 20
    result = row(ALL["frozen-postgres"], trials)
    first, second = TABLE.line(result).split("\n")
    assert len(first) == len(TABLE.header()) == 80
    assert first.split()[:4] == ["frozen-postgres", "20", "2000", "140"]
    assert second == "  missed: lost 20 of 20, ready 20 of 20"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--only", "workers"],
            "'workers' is none of the disturbances; choose from worker, service",
        ),
        (["--times", "0"], "'0' is not a whole number from 1 to 1000"),
        (["--minutes", "nan"], "'nan' is not a number of minutes above 0"),
    ],
)
def test_bad_arguments_are_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    """A wrong argument is an error that names it, before anything starts."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_disturbances_are_listed(capsys: pytest.CaptureFixture[str]):
    """--list names all disturbances and starts nothing."""
    assert main(["--list"]) == 0
    assert [text.split()[0] for text in capsys.readouterr().out.splitlines()] == list(ALL)


@pytest.mark.e2e
def test_acknowledged_writes_survive():
    """Killed parts of the service lose, double and alter nothing."""
    with running(seed=1) as campaign:
        for name in ("worker", "postgres"):
            found = Trial(name)
            campaign.run(found, ALL[name], random.Random(1))
            assert found.findings.is_empty, found.findings.problems
            assert found.acknowledged
