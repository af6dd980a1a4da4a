"""`make chaos-instrument`: how a trial is judged, and its table."""

import json
from pathlib import Path
from typing import Any

import pytest
from campaigns.instrument.__main__ import main
from campaigns.instrument.disturbances import ALL
from campaigns.instrument.judgement import (
    COUNTED,
    ENDED,
    ORPHANS,
    READABLE,
    SAID,
    Expectation,
    Trial,
    missed_goals,
)
from campaigns.instrument.scene import read
from campaigns.instrument.table import TABLE, row
from formats import GOLDEN

S = 1_000_000_000
LOST = "process p1 was lost (killed) with an estimated 50 samples"


def result(requests: int, reason: str = "", message: str = "", errors: int = 0) -> dict[str, Any]:
    """Return what the campaign reads of a result."""
    reasons = [{"reason": reason, "message": message}] if reason else []
    return {
        "status_codes": {"200": requests},
        "errors": {"kinds": {"refused": errors} if errors else {}},
        "validity": {"reasons": reasons},
    }


def trial(*results: dict[str, Any], **changes: Any) -> Trial:  # noqa: ANN401  fields of a trial
    """Return a trial of a load of 100 requests per second that was disturbed after 2 s of 4."""
    answered = [number * S // 100 for number in range(400)]
    found = {"output": f"invalid: {LOST}", "ended_s": 1.0} | changes
    return Trial("x", answered, 2 * S, [*results], **found)


@pytest.mark.parametrize(
    ("found", "expected", "missed"),
    [
        (trial(result(400)), Expectation(is_loss=False), []),
        (trial(result(400)), Expectation(), [SAID]),
        (trial(result(350, "lost_worker", LOST)), Expectation(), []),
        (trial(result(300, "lost_worker", LOST)), Expectation(), [COUNTED]),
        (trial(result(300)), Expectation(is_all_lost=True, is_loss=False), []),
        (trial(result(400), result(100)), Expectation(is_loss=False), [COUNTED]),
        (trial(), Expectation(is_loss=False), [READABLE, COUNTED]),
        (trial(result(400), unreadable=["torn"]), Expectation(is_loss=False), [READABLE]),
        (trial(result(400), orphans=["sh"]), Expectation(is_loss=False), [ORPHANS]),
        (trial(result(400), ended_s=None), Expectation(is_loss=False), [ENDED]),
        (trial(result(400, "lost_worker", LOST), output=""), Expectation(), [SAID]),
        (trial(result(300), parts=[result(400)]), Expectation(is_loss=False), []),
        (trial(result(0)), Expectation(is_loss=False, is_counted=False), []),
        (trial(result(400)), Expectation(is_loss=False, fails=True), [SAID]),
        (trial(result(400, errors=1)), Expectation(is_loss=False, fails=True), []),
        (trial(result(400)), Expectation(is_loss=False, says="disk full"), [SAID]),
        (trial(result(400), output="disk full"), Expectation(is_loss=False, says="disk f"), []),
    ],
)
def test_goals(found: Trial, expected: Expectation, missed: list[str]):
    """A trial misses a goal if requests are missing that no result and no line says are lost."""
    assert missed_goals(found, expected) == missed


@pytest.mark.parametrize("kind", ["capacity", "ab"])
def test_other_files_are_judged_as_results(tmp_path: Path, kind: str):
    """Files of searches and comparisons are judged by the reason for which they end early."""
    found = json.loads((GOLDEN / f"{kind}-1.json").read_text())
    (tmp_path / "file.json").write_text(json.dumps({**found, "stopped_early": LOST}))
    (reason,) = read(tmp_path / "file.json")["validity"]["reasons"]
    assert reason == {"reason": "interrupted", "message": LOST}


def test_table_fits_a_terminal():
    """A row has at most 80 columns; a second line names the missed goals."""
    found = row(ALL["pytest-worker-kill"], [trial(result(100))] * 20)
    first, second = TABLE.line(found).split("\n")
    assert len(first) == len(TABLE.header()) == 80
    assert second == "  missed: counted 20 of 20, said 20 of 20"


def test_disturbances_are_listed(capsys: pytest.CaptureFixture[str]):
    """--list names all disturbances and starts nothing."""
    assert main(["--list"]) == 0
    assert [text.split()[0] for text in capsys.readouterr().out.splitlines()] == list(ALL)
