"""Secrets from the environment and from files, which no text shows."""

import base64
import json
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from straingauge.http import ErrorKind, RequestFailed
from straingauge.recording import Recorder
from straingauge.redaction import HIDDEN, hide, redact

from straingauge import UsageError, feeder, redaction, secret

VALUE = 'plain "värde" 7/8'


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_values", {})
    monkeypatch.setattr(redaction, "_hidden_values", set())


def test_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A secret is the value of a variable, or the first line of a file."""
    monkeypatch.setenv("SOME_VALUE", VALUE)
    (tmp_path / "value").write_text(f"{VALUE}\n")
    assert secret("env:SOME_VALUE") == secret(f"file:{tmp_path}/value") == VALUE
    assert secret("file:value", folder=tmp_path) == VALUE


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("env:NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE is not set"),
        ("env:SHORT", "fewer than 4 characters"),
        ("env:EMPTY", "is empty"),
        ("file:/no/such/file", "cannot be read"),
        ("hunter2", "no source of a secret"),
        ("env:", "no source of a secret"),
    ],
)
def test_sources_that_do_not_exist(source: str, message: str, monkeypatch: pytest.MonkeyPatch):
    """A missing, empty or too short secret is an error that does not show it."""
    monkeypatch.setenv("SHORT", "xyz")
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(UsageError, match=message) as error:
        secret(source)
    assert "xyz" not in str(error.value)


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        json.dumps(VALUE)[1:-1],
        quote_plus(VALUE),
        base64.b64encode(VALUE.encode()).decode().rstrip("="),
    ],
)
def test_a_secret_is_hidden_in_each_form(form: str):
    """Texts show no secret: plain, as JSON, percent-encoded, in Base64, or cut off at the end."""
    hide(VALUE)
    assert redact(f"before {form} after {form}") == f"before {HIDDEN} after {HIDDEN}"
    assert redact(f"cut off: {form[:6]}") == f"cut off: {HIDDEN}"
    assert redact("other text: pla") == "other text: pla"


def test_columns_with_secrets_are_in_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The value of a secret column is in no name of an endpoint and no example of an error."""
    monkeypatch.setenv("PIN_OF_BEN", "4711-0815")
    path = tmp_path / "a.csv"
    path.write_text("name,pin\nanna,blue-whale\nben,env:PIN_OF_BEN\n")
    rows = feeder(path, secrets=["pin"])
    pins = [next(rows)["pin"], next(rows)["pin"]]
    assert pins == ["blue-whale", "4711-0815"]
    recorder = Recorder()
    for pin in pins:
        sink = recorder.endpoint_sink("main", f"GET /x/{pin}", 0)
        sink.add_failure(0, 0, 0, 1, RequestFailed(ErrorKind.BAD_STATUS, f"no pin {pin}"))
        sink.add_journey_error(f"KeyError: {pin!r}")
    record = recorder.snapshot().to_bytes()
    assert not [pin for pin in pins if pin.encode() in record]
