"""Baselines: results by name, and comparisons with them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from formats import whole
from straingauge.cli import main


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def straingauge(*arguments: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, arguments)


def result_of(test: str, *, valid: bool = True) -> str:
    """Write a result of a load test; returns its file."""
    result = whole(name=test)
    if not valid:
        reason = {
            "reason": "no_data",
            "severity": "invalid",
            "message": "there are no requests",
            "advice": "",
        }
        result["validity"] = {"valid": False, "reasons": [reason]}
    path = Path(f"{test}{'' if valid else '_invalid'}.json")
    path.write_text(json.dumps(result))
    return str(path)


def test_a_baseline_keeps_results_as_they_are():
    """`save` copies result files byte by byte, one for each load test."""
    first, second = result_of("search"), result_of("order")
    done = straingauge("baseline", "save", "main", first, second)
    assert done.exit_code == 0, done.stderr
    folder = Path(".straingauge/baselines/main")
    assert sorted(path.name for path in folder.iterdir()) == ["order.json", "search.json"]
    assert (folder / "search.json").read_bytes() == Path(first).read_bytes()


def test_a_result_is_compared_with_the_baseline_of_its_test():
    """`compare baseline:NAME` takes the result of the test that the new one is of."""
    results = {test: result_of(test) for test in ("search", "order")}
    straingauge("baseline", "save", "main", *results.values())
    for file in results.values():
        done = straingauge("compare", "baseline:main", file, "--json")
        assert done.exit_code == 0, done.stderr
        verdicts = {each["verdict"] for each in json.loads(done.stdout)["changes"]}
        assert verdicts <= {"same", "inconclusive"}


def test_a_folder_is_named_by_an_option():
    """--baselines names the folder, the same for all commands."""
    file = result_of("search")
    there = ("--baselines", "elsewhere")
    straingauge("baseline", "save", "v1.2", file, *there)
    (row,) = json.loads(straingauge("baseline", "list", "--json", *there).stdout)
    assert (row["baseline"], row["test"]) == ("v1.2", "search")
    assert row["file"] == "elsewhere/v1.2/search.json"
    assert straingauge("compare", "baseline:v1.2", file, *there).exit_code == 0
    assert (
        straingauge("baseline", "list").stdout == "there is no baseline in .straingauge/baselines\n"
    )


def test_baselines_are_listed_and_shown():
    """`list` has a line for each result, and `show` the table that `report` shows."""
    straingauge("baseline", "save", "main", result_of("search"), result_of("order"))
    heading, *rows = straingauge("baseline", "list").stdout.splitlines()
    assert heading.split() == ["baseline", "test", "started_at", "commit", "file"]
    assert [row.split()[:2] for row in rows] == [["main", "order"], ["main", "search"]]
    shown = straingauge("baseline", "show", "main").stdout
    assert "search" in shown
    assert "req/s" in shown
    found = json.loads(straingauge("baseline", "show", "main", "--json").stdout)
    assert [each["name"] for each in found] == ["order", "search"]


def test_a_result_is_replaced_only_if_asked():
    """A second result of a test needs --replace; without it, nothing is written."""
    file = result_of("search")
    straingauge("baseline", "save", "main", file)
    kept = Path(".straingauge/baselines/main/search.json")
    kept.write_text(kept.read_text() + "\n")
    before = kept.read_text()
    refused = straingauge("baseline", "save", "main", result_of("order"), file)
    assert refused.exit_code == 2
    assert "the baseline main has a result of search" in refused.stderr
    assert "--replace" in refused.stderr
    assert [path.name for path in kept.parent.iterdir()] == ["search.json"]
    assert kept.read_text() == before
    assert straingauge("baseline", "save", "main", file, "--replace").exit_code == 0
    assert kept.read_text() == Path(file).read_text()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("compare baseline:main search.json", "there is no baseline main in .straingauge"),
        ("compare baseline:v1 search.json", "has no result of search"),
        ("compare baseline: search.json", "'' cannot be the name of a baseline"),
        ("compare baseline:../x search.json", "'../x' cannot be the name of a baseline"),
        ("compare search.json baseline:v1", "baseline:v1: cannot be read"),
        ("baseline show main", "there is no baseline main"),
        ("baseline save .. search.json", "'..' cannot be the name of a baseline"),
        ("baseline save main search_invalid.json", "an invalid run is no baseline"),
        ("baseline save main search.json search.json search2.json", "a second result of search"),
        ("baseline save main missing.json", "missing.json: cannot be read"),
        ("baseline save main", "Missing argument 'FILE...'"),
    ],
)
def test_mistakes_are_named(command: str, message: str):
    """A wrong name or file is one clear error, and nothing is written."""
    straingauge("baseline", "save", "v1", result_of("order"))
    result_of("search")
    result_of("search", valid=False)
    Path("search2.json").write_text(Path("search.json").read_text())
    done = straingauge(*command.split())
    assert done.exit_code == 2
    assert message in done.stderr
    assert not Path(".straingauge/baselines/main").exists()
