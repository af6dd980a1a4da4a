"""The output of commands on terminals of 60 to 200 columns, and on one without Unicode."""

import copy
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import click
import pytest
from click.testing import CliRunner
from sample_results import sample_result
from straingauge.cli import main
from straingauge.cli.doctor import _show as show_check
from straingauge.cli.run import _show as show_run
from straingauge.doctor.check_result import CheckResult
from straingauge.line_wrap import encodable, wrapped
from straingauge.result.format import write
from straingauge.runner import Outcome
from straingauge.runner.progress import Snapshot, progress_line
from straingauge.verdict import Thresholds, Verdict

GOLDEN: Final = Path(__file__).parent / "golden"
CAPACITY: Final = Path(__file__).parents[2] / "docs" / "capacity.json"
WIDTHS: Final = (60, 80, 120, 200)
NARROW: Final = 119  # the most columns without what decided each verdict
BARS: Final = re.compile("[▁-▏━╸╺│]+")
STYLE: Final = re.compile(r"\x1b\[[0-9;]*m")
LONG: Final = "answers with 1,234 bytes that the check of the journey does not expect " * 2


@cache
def results(folder: Path) -> list[Path]:
    """Twenty results of a test whose p95 rises after the twelfth, of which two are in trouble."""
    written = []
    for number in range(20):
        run = copy.deepcopy(
            sample_result("nightly checkout", trouble=number in (0, 19), message=LONG)
        )
        run["started_at"] = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)).isoformat()
        run["metrics"]["latency_ms"]["p95"] *= 1.5 if number >= 12 else 1 + number % 3 / 100
        run["environment"] = {
            **run["environment"],
            "commit": {"id": f"{number:040x}", "modified": False},
        }
        written.append(write(run, folder))
    return written


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results."""
    made = tmp_path_factory.mktemp("results")
    results(made)
    return made


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let click's test runner be a terminal."""
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)


def command(width: int, *arguments: object) -> str:
    """Return the output of a command on a terminal of a width."""
    runner = CliRunner(env={"COLUMNS": str(width)})
    done = runner.invoke(main, [str(each) for each in arguments], catch_exceptions=False)
    return STYLE.sub("", done.output)


def shown(width: int, show: Callable[[], None]) -> str:
    """Return the output of a function on a terminal of a width."""
    runner = CliRunner(env={"COLUMNS": str(width)})
    done = runner.invoke(click.Command("show", callback=show), [], catch_exceptions=False)
    return STYLE.sub("", done.output)


def run(folder: Path, width: int) -> str:
    """The end of `straingauge run`, as pytest's summary and Locust have it as well."""
    result: dict[str, Any] = sample_result("checkout", trouble=True, message=LONG)
    verdict = Verdict("critical", ())
    outcome = Outcome(result, verdict, folder / "checkout.json")  # type: ignore[arg-type]  # a dict
    table = {
        "endpoint": {"GET /not/called": {"p95_ms": {"target": 1, "warning": 2, "critical": 3}}}
    }
    thresholds = Thresholds.parse(table, source="a test")
    return shown(width, lambda: show_run(outcome, thresholds, as_json=False))


def doctor(_folder: Path, width: int) -> str:
    """Two checks of `straingauge doctor`."""
    checks = [
        CheckResult("open files", "ok", "a process may open 1,048,576 files"),
        CheckResult("other load", "warning", LONG.strip(), f"stop them: {LONG.strip()}"),
    ]
    return shown(width, lambda: [show_check(each) for each in checks] and None)


def compare(folder: Path, width: int) -> str:
    """`straingauge compare` of a run with the one in trouble."""
    old, new = (results(folder)[number] for number in (1, 19))
    return command(width, "compare", "--force", old, new)


SURFACES: Final[dict[str, Callable[[Path, int], str]]] = {
    "run": run,
    "doctor": doctor,
    "compare": compare,
    "report": lambda folder, width: command(width, "report", *results(folder)[-2:]),
    "ab": lambda _folder, width: command(width, "report", GOLDEN / "ab-1.json"),
    "capacity": lambda _folder, width: command(width, "report", CAPACITY),
    "history": lambda folder, width: command(width, "history", folder),
}


def words(text: str) -> set[str]:
    """The words of a text without bars, and without the commas between the cells of a row."""
    return {word.rstrip(",;") for word in BARS.sub(" ", text).split()} - {""}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", SURFACES)
def test_no_line_is_wider_and_no_word_is_broken_or_cut(name: str, width: int, folder: Path):
    """Each line fits, unless it is one long word such as a path; words and headings are whole."""
    text = SURFACES[name](folder, width)
    wide = [line for line in text.splitlines() if len(line) > width]
    assert [line for line in wide if " " in line[max(width // 2, 24) :].strip()] == []
    reference = words(SURFACES[name](folder, NARROW if width <= NARROW else 400))
    assert words(text) >= reference - {
        "load",
        "test",
    }  # a row of several lines begins with its name
    assert "…" not in text


@pytest.mark.parametrize("name", SURFACES)
def test_a_terminal_without_unicode_has_lookalikes(name: str, folder: Path):
    """In ASCII bars are other characters of the same width, and nothing becomes a question mark."""
    text = SURFACES[name](folder, 80)
    plain = encodable(text, "ascii")
    assert plain.isascii()
    assert plain.count("?") == text.count("?")
    assert list(map(len, plain.splitlines())) == list(map(len, text.splitlines()))


@pytest.mark.parametrize("width", WIDTHS)
def test_progress_fits_and_says_what_matters(width: int):
    """Phase, time left, rate, errors and p95 are shown at every width, and nothing is cut."""
    latency: dict[str, float | None] = {"p50": 12.34, "p95": 1234.5, "p99": 12345.6}
    now = Snapshot("nightly checkout", "", 754, 1800, 1_234_567, 1638.4, 12.34, latency)
    line = progress_line(now, width, colour=False)
    assert len(line) < width
    for words_ in ("12:34", "17:26 left", "1,638/s", "12.3 % errors", "p95 1,234"):
        assert words_ in line
    assert "…" not in line
    assert ("p50" in line) == (width >= 120)
    assert encodable(line, "ascii").isascii()


def test_a_long_line_is_wrapped_below_its_text():
    """The label stands alone on the left; a word without room stays whole."""
    path = "/a/very/long/path/of/a/result/file.json"
    assert wrapped(f"result   {path} was written", 30) == f"result   {path}\n         was written"
    assert wrapped("note     one two three", 18) == "note     one two\n         three"
    assert wrapped("short", 18) == "short"
