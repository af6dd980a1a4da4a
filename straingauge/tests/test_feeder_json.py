"""Feeders of JSON arrays: a file with a mistake is refused at the row that has it."""

import io
from pathlib import Path

import pytest
from straingauge.errors import UsageError
from straingauge.feeders import json_format

from straingauge import feeder


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("9" * 5000, "line 2: not JSON: Exceeds the limit"),
        ('{"a": ' + "9" * 5000 + "}", "line 2: not JSON: Exceeds the limit"),
        ("[" * 3000, "line 2: not JSON: maximum recursion depth"),
        ("{a: 1}", "line 2: not JSON: Expecting property name"),
    ],
)
def test_rows_that_cannot_be_read_are_a_usage_error(tmp_path: Path, row: str, message: str):
    """Endless numbers and nesting are refused as wrong syntax is, with the line."""
    path = tmp_path / "a.json"
    path.write_text(f'[{{"a": 1}},\n{row}]')
    with pytest.raises(UsageError, match=message):
        feeder(path)


def test_a_mistake_in_the_first_rows_is_found_there(monkeypatch: pytest.MonkeyPatch):
    """The rest of a large file is not read in search of the end of a row that has a mistake."""
    monkeypatch.setattr(json_format, "_BLOCK", 50)
    stream = io.BytesIO(b"[\n" + b'{name: "a"},\n' * 1000 + b"]")
    with pytest.raises(UsageError, match="line 2: not JSON"):
        json_format.array_as_lines(Path("a.json"), stream)
    assert stream.tell() < 200


def test_rows_are_read_across_blocks(monkeypatch: pytest.MonkeyPatch):
    """Words, escapes, numbers and texts may be cut anywhere by the end of a block."""
    lines = ['{"a":', "[true,", '"x\\u00e9 y",', "-1.5e-3,", "null]}"]
    text = "[" + "\n".join(lines) + ",\n" + "\n".join(lines) + "]"
    for size in range(1, 30):
        monkeypatch.setattr(json_format, "_BLOCK", size)
        with json_format.array_as_lines(Path("a.json"), io.BytesIO(text.encode())) as rows:
            rows.seek(0)
            assert rows.read().decode().splitlines() == [" ".join(lines)] * 2
