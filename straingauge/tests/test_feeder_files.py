"""Files that a feeder refuses, before anything is sent."""

from pathlib import Path

import pytest
from straingauge.errors import UsageError

from straingauge import feeder


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "a.csv: it is empty"),
        ("a.csv", b"name,city\n\n", "a.csv: it has no rows"),
        ("a.csv", b"a,b\n1,2\n1,2,3\n", r"a.csv, line 3: 3 values, but line 1 names 2 columns"),
        ("a.csv", b'a,b\n"1\n2",2\nx\n', r"a.csv, line 4: 1 value, but .*delimiter: comma"),
        ("a.csv", b"a,a\n1,2\n", "line 1: two columns are named 'a'"),
        ("a.csv", b"a,,c\n1,2,3\n", "line 1: column 2 has no name"),
        ("a.csv", b"a,b;c\n1,2;3\n", "line 1: the delimiter may be comma or semicolon"),
        ("a.csv", b'a,b\n1,"2\n', "line 2: a quote is not closed"),
        (
            "a.csv",
            b'a,b\n"' + b"x" * 140_000,
            "line 2: a value has more than 131072 char",
        ),
        ("a.csv", b"a,b\r1,2\r", "line 1: a line ends in CR alone"),
        ("a.csv", b'a,b\n1,"2"3\n', "line 2: "),
        ("a.csv", "a,b\n1,ü\n".encode("latin-1"), "line 2: not UTF-8: byte 0xfc"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), "line 1: not UTF-8: UTF-16"),
        ("a.csv", "a,b\n1,2\n".encode("utf-32"), "line 1: not UTF-8: UTF-32"),
        ("a.csv", b"a,b\n1,\x00\n", "line 2: it has a NUL character"),
        ("a.json", b'{"a": 1}', "line 1: the file is not a JSON array of objects"),
        ("a.json", b'[\n{"a": 1},\n{"a": 2\n]', "line 3: not JSON"),
        ("a.json", b'[{"a": 1}] x', "line 1: not JSON: more text"),
        ("a.json", b"[]", "a.json: it is empty"),
        ("a.json", b'[{"a": 1}, 2]', "line 2: not a JSON object"),
        ("a.jsonl", b'{"a": 1}\n{"b": 1}\n', "line 2: the key 'a' of the first row is missing"),
        ("a.jsonl", b'{"a": 1}\n{"a": 1, "b": 2}\n', "line 2: the first row has no key 'b'"),
        ("a.jsonl", b'{"a": 1, "a": 2}\n', "line 1: the key 'a' is there twice"),
        ("a.jsonl", b'{"a": 1}\nnothing\n', "line 2: not JSON"),
        ("a.jsonl", b'{"a": 1}\n{"a": NaN}\n', "line 2: not JSON"),
        ("a.jsonl", b'{"a": 1}\n{"a": "\\ud800"}\n', "line 2: not JSON"),
        (
            "a.jsonl",
            b'{"a": -9223372036854775809}\n',
            "line 1: -9223372036854775809 is a",
        ),
        ("a.json", b'[{"a": 18446744073709551616}]', "more than 64 bits"),
        ("a.xlsx", b"", "no format is known for .xlsx"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, name: str, content: bytes, message: str):
    """A file that cannot be used is refused at once, with its line."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        feeder(path)
