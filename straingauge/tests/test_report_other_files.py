"""`straingauge report` with files of `capacity` and `ab`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from straingauge.capacity import page, summary
from straingauge.cli import main

GOLDEN = Path(__file__).with_name("golden")
CAPACITY, COMPARISON = GOLDEN / "capacity-1.json", GOLDEN / "ab-1.json"


def test_a_search_for_capacity_is_shown_again(tmp_path: Path):
    """Its file is enough for the summary and the page that the command wrote."""
    drawn = tmp_path / "page.html"
    shown = CliRunner().invoke(main, ["report", str(CAPACITY), "-o", str(drawn)])
    found = json.loads(CAPACITY.read_bytes())
    assert shown.exit_code == 0
    assert shown.stdout.endswith(f"{summary(found)}report   {drawn}\n")
    assert drawn.read_text(encoding="utf-8").rstrip() == page(found).rstrip()


def test_a_comparison_of_builds_is_shown_again(tmp_path: Path):
    """Its file is enough for the verdicts on a terminal and as Markdown."""
    document = json.loads(COMPARISON.read_bytes())
    file, drawn = tmp_path / "ab.json", tmp_path / "comparison.md"
    file.write_text(json.dumps({**document, "invalid_reason": "the builds are one"}))
    shown = CliRunner().invoke(main, ["report", str(file), "-o", str(drawn)])
    assert shown.exit_code == 0
    for change in document["comparison"]["changes"]:
        assert change["metric"] in shown.stdout
    counts = ", ".join(f"{n} {name}" for name, n in document["comparison"]["verdicts"].items() if n)
    assert f"\n{counts}; worst: " in shown.stdout
    assert "> **warning** invalid: the builds are one" in drawn.read_text()


@pytest.mark.parametrize("file", [CAPACITY, COMPARISON])
def test_json_is_the_file(file: Path):
    """--json prints what is in the file."""
    shown = CliRunner().invoke(main, ["report", str(file), "--json"])
    assert json.loads(shown.stdout) == json.loads(file.read_bytes())


@pytest.mark.parametrize(
    ("files", "output", "message"),
    [
        ([CAPACITY], "x.md", "x.md: the name must end in .html: this is a search for capacity"),
        ([COMPARISON], "x.xml", "x.xml: the name must end in .md: this is an A/B comparison"),
        ([CAPACITY, COMPARISON], "x.html", "capacity-1.json: a search for capacity, not a result"),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, files: list[Path], output: str, message: str
):
    """Another format, or another file as well, is an error, and nothing is written."""
    written = tmp_path / output
    shown = CliRunner().invoke(main, ["report", *map(str, files), "-o", str(written)])
    assert shown.exit_code == 2
    assert message in shown.output
    assert not written.exists()
