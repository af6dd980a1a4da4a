import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
from formats import GOLDEN, closed, conforming, whole
from hypothesis import given, settings
from hypothesis import strategies as st
from straingauge.errors import UsageError
from straingauge.result.assembly import write_session
from straingauge.result.format import read, read_all, read_session, write
from straingauge.result.format.schema import KEYWORDS, schema, violation

SCHEMAS = files("straingauge.result.format") / "schemas"
NAMES = sorted(file.name.removesuffix(".schema.json") for file in SCHEMAS.iterdir())
SOMETHING_ELSE = (None, True, 0, -1, 1.5, 2, "", "target", "2026-01-02", [], [1], {}, {"a": {}})


@cache
def judge(name: str) -> Callable[[object], object]:
    """A JSON Schema library's validator of a schema."""
    return fastjsonschema.compile(schema(name))


def accepted(document: object, name: str) -> bool:
    """Return True if a JSON Schema library accepts a document."""
    try:
        judge(name)(document)
    except fastjsonschema.JsonSchemaValueException:
        return False
    return True


def places(document: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401  any JSON
    """Every place in a document, as the object or array that has it and its name or number."""
    if isinstance(document, list | dict):
        for key in list(document) if isinstance(document, dict) else range(len(document)):
            yield document, key
            yield from places(document[key])


def keywords(part: Any, *, names: bool = False) -> Iterator[str]:  # noqa: ANN401  any JSON
    """Every keyword of a schema; under `properties` there are names, not keywords."""
    for key, value in part.items() if isinstance(part, dict) else ():
        if not names:
            yield key
        yield from keywords(value, names=not names and key in ("properties", "definitions"))
    for value in part if isinstance(part, list) else ():
        yield from keywords(value)


@pytest.mark.parametrize("name", NAMES)
def test_schemas_say_nothing_that_is_not_checked(name: str):
    """A schema uses only keywords that the validator knows, so a misspelt one is noticed."""
    assert set(keywords(schema(name))) <= KEYWORDS


@pytest.mark.parametrize("name", NAMES)
def test_golden_files_match_their_schemas(name: str):
    """Each format has a golden file, which its schema accepts."""
    document = json.loads((GOLDEN / f"{name}.json").read_text())
    assert violation(document, schema(name)) is None
    assert accepted(document, name)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_our_check_agrees_with_a_librarys(name: str, data: st.DataObject):
    """Whatever is taken out or put in its place: both find the document wrong, or neither."""
    document = json.loads((GOLDEN / f"{name}.json").read_text())
    holder, key = data.draw(st.sampled_from(list(places(document))))
    other = data.draw(st.sampled_from([..., *SOMETHING_ELSE]))
    if other is not ...:
        holder[key] = other
    else:
        del holder[key]
    assert (violation(document, schema(name)) is None) == accepted(document, name)


def test_true_is_no_version():
    """To Python True is 1; a file whose version is true is of none."""
    document = json.loads((GOLDEN / "session-1.json").read_text()) | {"session_version": True}
    assert violation(document, schema("session-1")) == "session_version must be 1, not true"
    assert not accepted(document, "session-1")


def test_a_golden_result_is_read_and_shown():
    """The golden result is read as it stands, and `straingauge report` shows it."""
    golden = GOLDEN / "result-1.json"
    assert read(golden) == json.loads(golden.read_text())
    command = [Path(sys.executable).with_name("straingauge"), "report", golden]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "errors 50 %" in shown


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: it["metrics"].pop("latency_ms"), "metrics.latency_ms is missing"),
        (
            lambda it: it["metrics"].update(total_requests="12"),
            'metrics.total_requests must be of type integer, not "12"',
        ),
        (
            lambda it: it["endpoints"]["GET /hello"].update(errors=None),
            'endpoints["GET /hello"].errors must be of type object, not null',
        ),
        (
            lambda it: it["verdict"]["findings"][1].update(grade="fine"),
            "verdict.findings[1].grade must be one of target, acceptable",
        ),
        (lambda it: it.update(started_at="today"), "started_at must be an ISO 8601 time"),
        (lambda it: it["status_codes"].update({"200": -1}), "status_codes.200 must be 0 or more"),
        (
            lambda it: it["metrics"].update(error_rate_percent=100.5),
            "metrics.error_rate_percent must be 100 or less",
        ),
        (lambda it: it["intervals"].reverse(), "its intervals do not follow each other"),
        (
            lambda it: it["intervals"][-1].update(start_s=1e15),
            "its intervals do not follow each other",
        ),
        (
            lambda it: it["endpoints"]["GET /hello"]["intervals"][0].update(duration_s=0),
            "its intervals do not follow each other",
        ),
        (lambda it: it.update(schema_version=99), "has schema version 99; this straingauge reads"),
        (lambda it: it.update(schema_version="1"), 'schema_version is "1"'),
    ],
)
def test_a_changed_value_is_named_by_its_path(tmp_path: Path, change: Any, message: str):  # noqa: ANN401
    """A result that something was done to is refused with the path of the first thing wrong."""
    result = whole()
    change(result)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(result))
    with pytest.raises(UsageError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"{", "it ends in the middle, in line 1: it was cut short"),
        (b"<!doctype html>\n<p>", "an HTML page, not a result file"),
        (b'{"name": nobody}', "not valid JSON: Expecting value"),
        (b'{"schema_version": 1, "x": NaN}', "NaN is no number in JSON"),
        ("\ufeff{}".encode("utf-16-le"), "line 1: not UTF-8: UTF-16"),
        (b'{"name":\n"caf\xe9"}', "line 2: not UTF-8: byte 0xe9"),
        (b"[" * 100_000, "not valid JSON: it is nested too deeply"),
        (b"[]", "not a result file: it has no schema_version"),
        (b'"text"', "not a result file: it has no schema_version"),
        (b'[{"name": "/", "num_requests": 3}]', "it looks like one of Locust"),
        (b'{"root_group": {}, "metrics": {}}', "it looks like one of k6"),
        (b'{"session_version": 1}', "a session's summary, not a result"),
        (b'{"ab_version": 1}', "an A/B comparison, not a result"),
        (b'{"capacity_version": 1}', "a search for capacity, not a result"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: bytes, message: str):
    """A file that is empty, cut short or of another tool is refused, and what it is is said."""
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(UsageError) as error:
        read(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path):
    """Wherever a result file was cut off, it is no result."""
    text = json.dumps(whole())
    path = tmp_path / "x.json"
    for length in range(1, len(text), 997):
        path.write_text(text[:length])
        with pytest.raises(UsageError, match=r"it ends in the middle|not valid JSON: "):
            read(path)


def test_fields_to_come_are_no_error(tmp_path: Path):
    """Readers ignore what they do not know; what we write is held to what is documented."""
    result = whole()
    result["metrics"]["jitter_ms"] = 3
    assert read(write(result, tmp_path))["metrics"]["jitter_ms"] == 3
    assert violation(result, closed("result-1")) == "metrics.jitter_ms must be one of "


def test_a_session_has_one_file(tmp_path: Path):
    """A session's summary has its grade, each test's statistics and file, and what broke first."""
    good = deepcopy(whole(name="good", started_at="2026-01-02T03:04:05+00:00", diagnosis=[]))
    good["verdict"] = {"grade": "acceptable", "findings": []}
    judged = [(result, write(result, tmp_path)) for result in (good, whole(name="bad"))]
    path = write_session([*judged, (whole(name="unwritten"), None)], tmp_path)
    assert path.name == "summary_20260102_030405.json"
    session = conforming(path)
    assert read_session(path) == session
    assert session["grade"] == "critical"
    assert [test["grade"] for test in session["tests"]] == ["acceptable", "critical", "critical"]
    assert session["tests"][0]["file"] == judged[0][1].name
    assert session["tests"][2]["file"] is None
    assert session["tests"][1]["reasons"] == ["errors 50 %, critical from 10 %"]
    assert session["tests"][0]["metrics"]["total_requests"] == good["metrics"]["total_requests"]
    assert session["first_failure"]["test"] == "bad"
    assert session["diagnosis"][0]["tests"] == ["bad", "unwritten"]


def test_an_invalid_test_makes_the_session_invalid(tmp_path: Path):
    """A session of which one test proves nothing is invalid, whatever the others say."""
    reasons = [
        {"reason": "no_data", "severity": "invalid", "message": "nothing was sent", "advice": ""},
        {"reason": "few_samples", "severity": "note", "message": "few", "advice": ""},
    ]
    verdict = {"grade": "invalid", "findings": whole()["verdict"]["findings"]}
    invalid = whole(verdict=verdict, validity={"valid": False, "reasons": reasons})
    session = conforming(write_session([(invalid, None), (whole(), None)], tmp_path))
    assert session["grade"] == "invalid"
    assert session["tests"][0]["reasons"] == ["nothing was sent"]


def test_a_folder_and_a_summary_stand_for_their_results(tmp_path: Path):
    """Results can be named by file, by folder or by their session's summary; each is read once."""
    judged = [(result, write(result, tmp_path)) for result in (whole(name="a"), whole(name="b"))]
    summary = write_session(judged, tmp_path)
    (tmp_path / "b_ab_20260102_030405.json").write_text('{"ab_version": 1}')
    files = [path for _, path in judged]
    for given_ in ([tmp_path], [summary], files, [*files, summary, tmp_path]):
        assert [path for _, path in read_all(given_)] == files
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no result in this folder"):
        read_all([tmp_path / "empty"])


def test_a_session_can_be_moved(tmp_path: Path):
    """Results in several folders are found after all were moved; a lost one is named."""
    folder = tmp_path / "before"
    judged = [(whole(name=name), write(whole(name=name), folder / name)) for name in "ab"]
    summary = write_session(judged, folder / "a")
    after = (tmp_path / "after").absolute()
    folder.rename(after)
    moved = [after / path.relative_to(folder) for _, path in judged]
    summary = after / summary.relative_to(folder)
    assert [path for _, path in read_all([summary, *moved])] == moved
    moved[1].unlink()
    with pytest.raises(UsageError, match=r"its result .* is not there") as caught:
        read_all([summary])
    assert "together with its results" in str(caught.value.hint)


def test_a_damaged_file_in_a_folder_is_skipped(tmp_path: Path):
    """One bad file among the results of a folder is named and skipped; alone it is an error."""
    path = write(whole(name="a"), tmp_path)
    (tmp_path / "cut.json").write_text("{")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "nothing")
    skipped: list[UsageError] = []
    assert [found for _, found in read_all([tmp_path], skipped.append)] == [path]
    assert [str(error).removeprefix(str(tmp_path)) for error in skipped] == [
        "/cut.json: not valid JSON: it ends in the middle, in line 1: it was cut short",
        "/folder.json: cannot be read: Is a directory",
        "/link.json: cannot be read: No such file or directory",
    ]
    for paths in ([tmp_path], [tmp_path / "cut.json"]):
        with pytest.raises(UsageError, match="cut short"):
            read_all(paths)


def test_a_byte_order_mark_is_ignored(tmp_path: Path):
    """A result that an editor saved with a byte order mark is read."""
    path = write(whole(), tmp_path)
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert read(path) == whole()


def test_reading_a_result_needs_no_engine():
    """A result is read and written without loading the engine, the workers or the observer."""
    code = "import sys, straingauge.result.format; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    for name in ("engine", "workers", "observe", "statistics", "http"):
        assert f"straingauge.{name}" not in loaded.stdout.split()
