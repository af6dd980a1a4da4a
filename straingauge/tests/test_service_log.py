"""The exceptions in a service's log are counted by the line that raised them."""

import json
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from diagnosis_results import complaint, errors_of, failed_run, first
from straingauge.profile import ServiceLog, find_log
from straingauge.profile.own_code import OwnCode
from straingauge.profile.tracebacks import innermost, read_tracebacks
from straingauge.target.started_service import LOG_VARIABLE

HERE = OwnCode(str(Path(__file__).parent))
THIS_FILE = HERE.shown(__file__)


def find_page() -> None:
    """Raise in the service's own code."""
    raise LookupError("no such page\nFile: of the user")


def decode() -> None:
    """Raise in a library that the service's own code calls."""
    json.loads("{")


def reraise() -> None:
    """Raise an exception with a cause."""
    try:
        find_page()
    except LookupError as error:
        raise RuntimeError("cannot answer") from error


def fail_in_handler() -> None:
    """Raise while another exception is handled."""
    try:
        find_page()
    except LookupError:
        decode()


def raise_group() -> None:
    """Raise a group, as task groups do."""
    try:
        find_page()
    except LookupError as error:
        group = ExceptionGroup("unhandled errors in a TaskGroup", [error, KeyError("x")])
        raise group from None


def line_of(function: Callable[[], None], number: int) -> int:
    """Return the number of a line of a function, from its `def` on."""
    return function.__code__.co_firstlineno + number


def logged(function: Callable[[], None]) -> str:
    """Return the traceback that a function's exception has in a log."""
    try:
        function()
    except Exception:  # noqa: BLE001  of any class
        return traceback.format_exc()
    raise AssertionError("it raised nothing")


def found_in(text: str) -> list[tuple[str, int, str]]:
    """Return the type, the line and the function of each exception of this file in a text."""
    found = []
    for chain in read_tracebacks(text):
        raised, frame = innermost(chain, HERE)
        assert frame.file == __file__
        found.append((raised.kind, frame.line, frame.function))
    return found


PAGE = ("LookupError", line_of(find_page, 2), "find_page")
JSON = ("json.decoder.JSONDecodeError", line_of(decode, 2), "decode")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (find_page, PAGE),
        (decode, JSON),
        (reraise, PAGE),  # the cause, not what was made of it
        (fail_in_handler, JSON),  # the error of the handler
        (raise_group, PAGE),
    ],
)
def test_each_exception_has_a_line_of_the_service(
    function: Callable[[], None], expected: tuple[str, int, str]
):
    """It is the nearest line of the service's own code to where the error is."""
    assert found_in(f"a line\n{logged(function)}another line\n") == [expected]


def test_two_exceptions_are_not_taken_for_one():
    """Exceptions one after the other have nothing to do with each other."""
    text = logged(find_page) + logged(decode) + "INFO: served\n" + logged(reraise)
    assert found_in(text) == [PAGE, JSON, PAGE]


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({"level": "error", "exception": logged(find_page)}),
        json.dumps({"error": {"stack": [logged(find_page)]}}),
        f"12:05:30 ERROR {logged(find_page)}",
        "\n".join(f"    {line}" for line in logged(find_page).splitlines()),
    ],
)
def test_logs_have_many_forms(line: str):
    """A traceback may be a text of a JSON object, follow other text, or be indented."""
    assert found_in(f"{line}\n") == [PAGE]


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last):\n",
        'Traceback (most recent call last):\n  File "a.py", line 1, in f\n',
        "Traceback (most recent call last):\nValueError: no frame\n",
        'Traceback (most recent call last):\n  File "a.py", line 1, in f\n???\n',
        '{"exception": "Traceback (most recent call last):\n',
        "Traceback, they said: (most recent call last)\n",
    ],
)
def test_damaged_text_is_skipped(text: str):
    """A text that is cut off, or no traceback, counts for nothing; the next one is read."""
    assert found_in(text) == []
    assert found_in(text + "\n" + logged(find_page)) == [PAGE]


def test_only_what_is_logged_from_now_on_counts(tmp_path: Path):
    """A log has what happened before the load as well; a restarted service has a new one."""
    path = tmp_path / "service.log"
    path.write_text(logged(decode))
    log = ServiceLog(path, HERE)
    assert log.exceptions() == []
    with path.open("a") as file:
        file.write(logged(find_page) + logged(decode) + logged(find_page))
    place = {"file": THIS_FILE, "line": PAGE[1], "function": "find_page"}
    assert log.exceptions()[0] == {"type": "LookupError", **place, "count": 2}
    assert [each["count"] for each in log.exceptions()] == [2, 1]
    path.write_text("started\n")
    assert log.exceptions() == []
    path.unlink()
    assert log.exceptions() == []


def test_the_log_of_a_served_service_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Commands of `straingauge serve` find it by the environment; others know no log."""
    path = tmp_path / "service.log"
    path.touch()
    monkeypatch.delenv(LOG_VARIABLE, raising=False)
    assert find_log("http://127.0.0.1:9", None) is None
    monkeypatch.setenv(LOG_VARIABLE, str(path))
    log = find_log("http://127.0.0.1:9", None)
    assert log is not None
    path.write_text(logged(find_page))
    assert [each["function"] for each in log.exceptions()] == ["find_page"]


def raised(count: int, line: int = 10) -> dict[str, object]:
    """Return an exception of a result."""
    place = {"file": "app/pages.py", "line": line, "function": "find_page"}
    return {"type": "LookupError", **place, "count": count}


@pytest.mark.parametrize(
    ("counts", "lines"),
    [
        ([60], [10]),
        ([120], [10]),  # the server and the framework log it
        ([59, 3], [10]),
        ([30, 25], [10, 11]),
        ([25], []),  # most have none
        ([900], []),  # that is no error of these requests
        ([900, 60], [11]),
        ([], []),
    ],
)
def test_errors_name_the_line_that_raised_them(counts: list[int], lines: list[int]):
    """Failed requests have the lines whose exceptions are about as many as they are."""
    result = failed_run(
        complaint("error_rate_percent"),
        **errors_of("bad_status", 60, "status 500, expected 200", status=500),
    )
    result["status_codes"] = {"200": 840, "500": 60}
    result["exceptions"] = [raised(count, line) for line, count in enumerate(counts, 10)]
    found = first(result)
    assert found["cause"] == "endpoint_errors"
    assert [each["line"] for each in found["where"]] == lines
    evidence = "LookupError in find_page (app/pages.py:{})"
    assert all(evidence.format(line) in str(found["evidence"]) for line in lines)
    result["status_codes"] = {"200": 840, "404": 60}
    assert first(result)["where"] == []  # no service answers 404 to an exception


def test_broken_connections_name_the_line_that_raised():
    """Some servers close the connection if an exception is raised."""
    result = failed_run(complaint("error_rate_percent"), **errors_of("early_close", 60, "closed"))
    result["exceptions"] = [raised(60)]
    found = first(result)
    assert found["cause"] == "connection_resets"
    assert [each["line"] for each in found["where"]] == [10]


def traced(status: int | None, line: int | None = 20) -> dict[str, object]:
    """Return an exception of traced requests."""
    place = {"file": line and "app/pages.py", "line": line, "function": line and "show"}
    return {"endpoint": "GET /items", "status": status, "type": "KeyError", **place, "traces": 2}


def test_traced_exceptions_are_those_of_the_failed_requests():
    """Spans say which request an exception belongs to, which no log does."""
    result = failed_run(
        complaint("error_rate_percent"),
        **errors_of("bad_status", 60, "status 500, expected 200", status=500),
    )
    result["status_codes"] = {"200": 840, "500": 60}
    result["exceptions"] = [raised(60)]
    result["traces"] = {"exceptions": [traced(500, line=None), traced(None, line=30), traced(500)]}
    found = first(result)
    assert [each["line"] for each in found["where"]] == [20]
    assert "in 2 traced requests of GET /items, with 60 such failures: KeyError" in str(
        found["evidence"]
    )
    result["traces"] = {"exceptions": [traced(None)]}
    assert [each["line"] for each in first(result)["where"]] == [10]
