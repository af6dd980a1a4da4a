"""Parts that all campaigns share: trials until a deadline, a table, a page of the documentation."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from campaigns import record, trials
from campaigns.record import ROOT, Campaign
from campaigns.trials import Row, Table, rounds, run_trials
from results_section import END, begin

FOLDER = ROOT / "benchmarks" / "campaigns"
MODULES = [
    "tests.chaos.__main__",
    "tests.fuzz.__main__",
    *sorted(f"campaigns.{each.parent.name}.__main__" for each in FOLDER.glob("*/__main__.py")),
]
CAMPAIGN = Campaign(
    name="shake", page="docs/shake.md", purpose="Shake it.", trials="directions", example=""
)


@dataclass(frozen=True)
class Direction:
    """A direction to shake in."""

    name: str


def cells(row: Row) -> list[str]:
    """Return the columns of a row."""
    return [row["name"], str(row["trials"])]


TABLE = Table(
    "directions", ("direction", "n"), (12, 3), cells, ("n",), "r", lambda row: cells(row)[1:]
)


def row(direction: Direction, found: Sequence[str]) -> dict[str, Any]:
    """Return a row; each trial is the name of the goal that it has missed, or nothing."""
    missed = {goal: found.count(goal) for goal in found if goal}
    title = f"to the {direction.name}"
    return {"name": direction.name, "title": title, "trials": len(found), "missed": missed}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that stands for the repository."""
    monkeypatch.setattr(record, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / CAMPAIGN.page).write_text(f"# Shaking\n\n{begin('make shake')}old\n{END}\nEnd.\n")
    return tmp_path


def options(*arguments: str) -> argparse.Namespace:
    """Return the options of a campaign with two trials of two directions."""
    return CAMPAIGN.parser(("left", "right"), times=2, minutes=10).parse_args(arguments)


@pytest.mark.parametrize("name", MODULES)
def test_pages_show_the_committed_results(name: str):
    """The table of each campaign in the documentation is that of its committed file."""
    module: ModuleType = import_module(name)
    campaign: Campaign = module.CAMPAIGN
    as_markdown = getattr(module, "as_markdown", None) or module.TABLE.as_markdown
    page = (ROOT / campaign.page).read_text()
    assert page.count(begin(campaign.command)) == page.count(END) == 1
    results = json.loads(campaign.committed.read_text())
    assert campaign.with_table(page, as_markdown(results)) == page


def test_results_are_written_after_each_trial(files: Path, capsys: pytest.CaptureFixture[str]):
    """An interrupted campaign leaves the results of its trials, in the file and on the page."""
    written: list[list[int]] = []

    def run_all() -> Iterator[tuple[Direction, str]]:
        for name, missed in (("left", ""), ("right", "still"), ("left", "")):
            yield Direction(name), missed
            results = json.loads(CAMPAIGN.committed.read_text())
            written.append([each["trials"] for each in results["directions"]])

    assert run_trials(CAMPAIGN, TABLE, run_all(), row, options("--keep"), seed=3) == 1
    assert written == [[1], [1, 1], [2, 1]]
    assert json.loads(CAMPAIGN.committed.read_text())["seed"] == 3
    before, table, after = (
        (files / CAMPAIGN.page)
        .read_text()
        .partition(
            "| direction | n | goals missed |\n|---|--:|---|\n"
            "| to the left (`left`) | 2 | none |\n"
            "| to the right (`right`) | 1 | still 1 of 1 |\n"
        )
    )
    assert before.startswith(f"# Shaking\n\n{begin('make shake')}20")
    assert (table != "", after) == (True, f"{END}\nEnd.\n")
    shown = capsys.readouterr().out
    assert shown == "\ndirection     n\nleft          2\nright         1\n  missed: still 1 of 1\n"


def test_a_campaign_without_a_trial_fails(files: Path):
    """The time was up before the first trial: nothing was shown, so the exit code is 1."""
    assert run_trials(CAMPAIGN, TABLE, [], row, options()) == 1
    assert not CAMPAIGN.built.exists()
    assert run_trials(CAMPAIGN, TABLE, [(Direction("left"), "")], row, options()) == 0
    assert CAMPAIGN.built.is_relative_to(files)
    assert CAMPAIGN.built.exists()


def test_trials_begin_in_rounds_until_the_deadline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Each is tried once before one is tried again; none begins after the time limit."""
    now_s = [0.0]
    monkeypatch.setattr(trials, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    begun = []
    for name in rounds(options("--times", "9"), ("left", "right")):
        begun.append(name)
        now_s[0] += 250
    assert begun == ["left", "right", "left"]
    assert capsys.readouterr().out == "3 of 18 trials began within 10 minutes\n"
    assert list(rounds(options("--only", "right"), ("left", "right"))) == ["right", "right"]


def test_a_page_without_a_section_is_an_error(files: Path):
    """A page whose markers were removed is not overwritten."""
    (files / CAMPAIGN.page).write_text("# Shaking\n")
    with pytest.raises(ValueError, match="the page has no <!-- results: make shake ARGS=--keep"):
        CAMPAIGN.write({}, "table", keep=True)
    assert (files / CAMPAIGN.page).read_text() == "# Shaking\n"
