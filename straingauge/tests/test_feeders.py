"""Data feeders: formats, orders, ends, several processes, and files that cannot be used."""

import gzip
import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_server import answering, serve
from straingauge.engine import EngineStats, Load, run_load
from straingauge.feeders import (
    FeederUse,
    SharedNumbers,
    begin_load,
    end_load,
    feeder_uses,
    merge_uses,
)
from straingauge.feeders.order import distinct_rows, row_of
from straingauge.journey import User, mix
from straingauge.recording import Record, Recorder
from straingauge.report.feeders import feeder_lines
from straingauge.schedule import constant, constant_users

from straingauge import Feeder, FeederEnd, UsageError, feeder

CSV = b"name,city\nanna,Bonn\nben,Kiel\n"
ROWS = [{"name": "anna", "city": "Bonn"}, {"name": "ben", "city": "Kiel"}]
JSON_ROWS = json.dumps(ROWS, indent=2).encode()


def write(folder: Path, name: str, content: bytes) -> Path:
    """Write a data file."""
    path = folder / name
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def take(rows: Feeder[dict[str, str]], count: int) -> list[dict[str, str]]:
    """Use this many rows."""
    return [next(rows) for _ in range(count)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("a.csv", b"\xef\xbb\xbf" + CSV.replace(b"\n", b"\r\n")),
        ("a.csv", CSV.replace(b",", b";")),
        ("a.tsv", CSV.replace(b",", b"\t")),
        ("a.CSV", b'"name","city"\n\nanna,"Bonn"\n\nben,Kiel'),
        ("a.csv.gz", CSV),
        ("a.json", JSON_ROWS),
        ("a.json.gz", b"\xef\xbb\xbf" + JSON_ROWS),
        ("a.jsonl", b"".join(json.dumps(row).encode() + b"\r\n\n" for row in ROWS)),
        ("a.ndjson", b"\xef\xbb\xbf" + b"\n".join(json.dumps(row).encode() for row in ROWS)),
    ],
)
def test_formats_are_known_by_their_suffix(tmp_path: Path, name: str, content: bytes):
    """CSV, JSON and JSON lines give the same rows, compressed or not, with or without a BOM."""
    rows = feeder(write(tmp_path, name, content))
    assert len(rows) == 2
    assert take(rows, 3) == [*ROWS, ROWS[0]]


def test_values_may_have_delimiters_and_line_breaks(tmp_path: Path):
    """A quoted CSV value contains any character, and JSON values keep their types."""
    odd = 'a "b", c;\r\nd\u2028e\x0b'
    quoted = '"' + odd.replace('"', '""') + '"'
    rows = feeder(write(tmp_path, "a.csv", f"x,y\n1,{quoted}\n2,z\n".encode()))
    assert take(rows, 2) == [{"x": "1", "y": odd}, {"x": "2", "y": "z"}]
    typed = feeder(write(tmp_path, "b.json", json.dumps([{"x": 1, "y": [odd, None]}]).encode()))
    assert next(typed) == {"x": 1, "y": [odd, None]}


@given(
    st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
            min_size=2,
            max_size=2,
        ),
        min_size=1,
    )
)
def test_what_a_csv_writer_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]]
):
    """Rows that Python's csv module writes come back as they are."""
    import csv
    import io

    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["x", "y"], *table])
    path = write(tmp_path_factory.getbasetemp(), "any.csv", text.getvalue().encode())
    assert [[row["x"], row["y"]] for row in take(feeder(path), len(table))] == table


def test_missing_and_damaged_files(tmp_path: Path):
    """A missing file and a damaged archive are refused; a path is relative to the caller's file."""
    with pytest.raises(
        UsageError, match=f"{Path(__file__).parent}/no.csv: cannot be read: No such"
    ):
        feeder("no.csv")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(CSV)[:-9])
    with pytest.raises(UsageError, match=r"a\.csv\.gz: not a complete gzip file"):
        feeder(tmp_path / "a.csv.gz")
    (tmp_path / "b.csv.gz").write_bytes(CSV)
    with pytest.raises(UsageError, match=r"b\.csv\.gz: not a complete gzip file"):
        feeder(tmp_path / "b.csv.gz")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": "any"}, "order is one of 'sequential', 'random', 'unique', not 'any'"),
        ({"on_end": "halt"}, "on_end is one of"),
        ({"delimiter": "|"}, "delimiter is one of"),
        ({"order": "unique", "on_end": "repeat"}, "uses each row once"),
        ({"order": "random", "on_end": "stop"}, "has no last row"),
        ({"secrets": "name"}, "a list of columns"),
        ({"secrets": ["password"]}, "no column 'password'"),
        ({"row": dict.fromkeys}, "row= does not take its columns"),
    ],
)
def test_options_that_contradict_each_other(
    tmp_path: Path, options: dict[str, object], message: str
):
    """Options that are unknown or contradict each other are refused at once."""
    with pytest.raises(UsageError, match=message):
        feeder(write(tmp_path, "a.csv", CSV), **options)  # type: ignore[call-overload]


def test_rows_may_be_data_classes(tmp_path: Path):
    """`row` makes a typed row of its columns."""

    @dataclass
    class Person:
        name: str
        city: str

    assert next(feeder(write(tmp_path, "a.csv", CSV), row=Person)) == Person("anna", "Bonn")


def test_a_file_that_is_changed_during_the_load(tmp_path: Path):
    """A file that is written to is an error with its name; one that is replaced is not."""
    path = write(tmp_path, "a.csv", CSV)
    rows = feeder(path)
    write(tmp_path, "b.csv", b"").replace(path)
    first = next(rows)
    path.write_bytes(CSV)
    rows = feeder(path)
    assert next(rows) == first
    os.utime(path, ns=(0, 0))
    with pytest.raises(UsageError, match=r"a\.csv was changed while it was used: it was written"):
        next(rows)


def test_a_random_order_is_reproducible(tmp_path: Path):
    """The same seed gives the same rows, another seed gives others, and all rows come."""
    path = write(tmp_path, "a.csv", b"n\n" + b"".join(b"%d\n" % n for n in range(50)))
    first, same, other = (take(feeder(path, order="random", seed=seed), 500) for seed in (7, 7, 8))
    assert first == same != other
    counts = Counter(row["n"] for row in first)
    assert len(counts) == distinct_rows("random", 7, 500, 50) == 50
    assert max(counts.values()) < 30


@given(st.integers(0, 2**70), st.integers(0, 300), st.integers(1, 100))
def test_distinct_rows_of_a_random_order(seed: int, uses: int, rows: int):
    """The number of different rows is that of the rows of all uses."""
    used = {row_of("random", seed, number, rows) for number in range(uses)}
    assert distinct_rows("random", seed, uses, rows) == len(used)


def test_large_files_take_little_memory(tmp_path: Path):
    """A row takes 8 bytes of memory."""
    path = write(tmp_path, "a.csv", b"name,text\n" + b"anna,%b\n" % (b"x" * 200) * 50_000)
    rows = feeder(path)
    assert rows._records._offsets.itemsize * len(rows) == 400_000
    import tracemalloc

    tracemalloc.start()
    feeder(path)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 2_000_000 < path.stat().st_size


# Uses


def test_a_feeder_counts_its_uses_in_each_load(tmp_path: Path):
    """A load begins with the row after those of the accounts; the next load begins there again."""
    rows = feeder(write(tmp_path, "a.csv", b"n\n1\n2\n3\n"), order="unique")
    assert next(rows) == {"n": "1"}  # by account(0)
    for _ in range(2):
        begin_load()
        assert take(rows, 2) == [{"n": "2"}, {"n": "3"}]
        with pytest.raises(FeederEnd, match=r"a\.csv has no further row: all 3 were used"):
            next(rows)
        (use,) = (use for use in feeder_uses() if use.name == rows.name)
        end_load()
        assert (use.rows, use.uses, use.ended) == (3, 2, True)


def test_uses_of_processes_are_added():
    """The uses of all processes are added, and one that ended is enough."""
    one = FeederUse("a.csv", 10, 4, "sequential", 0, "stop", ",", ended=False)
    two = FeederUse("a.csv", 10, 6, "sequential", 0, "stop", ",", ended=True)
    (merged,) = merge_uses([[one], [two]])
    assert (merged.uses, merged.rows_used, merged.ended) == (10, 10, True)


def _take_numbers(path: Path, count: int) -> list[int]:
    numbers = SharedNumbers(path)
    return [numbers.take(3, 1) for _ in range(count)]


def test_processes_never_use_a_row_twice(tmp_path: Path):
    """Each number is given out exactly once in all processes."""
    with multiprocessing.get_context("fork").Pool(3) as pool:
        taken = pool.starmap(_take_numbers, [(tmp_path / "numbers", 500)] * 3)
        pool.close()  # leaving the block would terminate processes that hold the queue's lock
        pool.join()
    assert sorted(number for each in taken for number in each) == list(range(1500))
    numbers = SharedNumbers(tmp_path / "numbers")
    assert (numbers.take(3, 1), numbers.take(0, 1)) == (1500, 0)
    numbers.close()
    assert not (tmp_path / "numbers").exists()


def test_a_feeder_that_is_made_during_a_load_is_refused(tmp_path: Path):
    """A feeder is made before the load, so that all processes have it."""
    path = write(tmp_path, "a.csv", CSV)
    begin_load()
    try:
        with pytest.raises(UsageError, match="made during a load"):
            feeder(path)
    finally:
        end_load()


@pytest.mark.parametrize(
    ("rows_used", "uses", "delimiter", "line"),
    [
        (40, 40, ",", "a.csv: 40 of 50 rows were used, each once"),
        (50, 90, ";", "a.csv: 50 of 50 rows were used, 90 times together (delimiter: semicolon)"),
        (0, 0, None, "a.csv: 0 of 50 rows were used"),
    ],
)
def test_reports_say_what_was_used(rows_used: int, uses: int, delimiter: str | None, line: str):
    """Reports have a line for each feeder, with the delimiter unless it is a comma."""
    use = {"rows": 50, "rows_used": rows_used, "uses": uses, "delimiter": delimiter}
    assert list(feeder_lines({"feeders": {"a.csv": use}})) == [line]


# In a load


@pytest.fixture(scope="module")
def server() -> Iterable[str]:
    """Start a server that answers at once."""
    with serve(answering()) as running:
        yield running.url


def run(url: str, rows: Feeder[dict[str, str]], **schedule: object) -> tuple[Record, EngineStats]:
    """Run journeys of two requests that use a row each."""

    def look(user: User):
        row = next(rows)
        yield user.get("/first", name="first")
        yield user.get(f"/{row['n']}", name="second")

    recorder = Recorder()
    plan = constant(**schedule) if "rate_per_s" in schedule else constant_users(**schedule)  # type: ignore[arg-type]
    users = [User(n) for n in range(4 if "count" in schedule else 100)]  # one for each arrival
    begin_load()
    try:
        stats = run_load(Load(url, plan, mix(look), users), recorder)
    finally:
        end_load()
    return recorder.snapshot(), stats


@pytest.mark.parametrize(
    "schedule", [{"count": 4, "duration_s": 60}, {"rate_per_s": 400, "duration_s": 60}]
)
def test_a_load_ends_after_the_last_row(tmp_path: Path, server: str, schedule: dict[str, int]):
    """Each row is used by one execution to its end; then the load ends, without an error."""
    rows = feeder(
        write(tmp_path, "a.csv", b"n\n" + b"".join(b"%d\n" % n for n in range(40))), order="unique"
    )
    record, stats = run(server, rows, **schedule)
    assert {name: each.requests for name, each in record.endpoints("main").items()} == {
        "first": 40,
        "second": 40,
    }
    assert not record.total("main").errors
    assert stats.end_reason == "a.csv has no further row: all 40 were used"
    assert stats.duration_s < 30
    assert not stats.dropped


def test_an_end_may_be_an_error(tmp_path: Path, server: str):
    """With on_end="error", the end is an error of the journey as well."""
    rows = feeder(write(tmp_path, "a.csv", b"n\n1\n2\n"), on_end="error")
    record, stats = run(server, rows, count=1, duration_s=60)
    assert record.total("main").errors["journey_error"] >= 1
    assert "a.csv has no further row" in record.total("main").examples[0].detail
    assert stats.end_reason
