"""Server-Timing headers: what any of them says, and that no service can break the reading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from straingauge.http import encode_headers
from straingauge.recording.server_timing_header import (
    columns_ms,
    durations_ms,
    request_id,
    server_timing,
)

plain = st.lists(
    st.tuples(st.sampled_from(["pool", "db", "db2", "app"]), st.integers(0, 10**6)), min_size=1
).map(lambda parts: ", ".join(f"{name};dur={n / 1000:.3f}" for name, n in parts).encode())
hostile = st.text('ab;,="\\.1d ur', max_size=40).map(str.encode)
values = plain | hostile | st.binary(max_size=60) | st.just(b"db;dur=1.5, app;dur=2")


@pytest.mark.parametrize(
    ("value", "durations"),
    [
        (b"db;dur=12.3", {"db": 12.3}),
        (b"pool;dur=0.1, db;dur=2,app;dur=3", {"pool": 0.1, "db": 2, "app": 3}),
        (b'cache;desc="a, b;dur=9";dur=4', {"cache": 4}),
        (b'x;desc="a \\" , y;dur=1', {}),
        (b'db;dur="5.5";desc=x', {"db": 5.5}),
        (b"miss, db ; DUR = 7 ", {"db": 7}),
        (b"DB;dur=1, db;dur=2", {"db": 3}),
        (b"a;dur=1;dur=2", {"a": 1}),
        (b"a;dur=, b;dur=x, c;dur=-1, d;dur=nan, e;dur=inf, f;dur=1", {"f": 1}),
        (b"a b;dur=1, ;dur=2, \xff;dur=3", {}),
        (b"db2;dur=1e3", {"db2": 1000}),
        (b"", {}),
    ],
)
def test_a_headers_durations(value: bytes, durations: dict[str, float]):
    """With any order, spacing and quoting: durations by lower-case name, without unusable ones."""
    assert durations_ms(value) == durations


@given(st.binary() | hostile)
def test_no_bytes_raise(value: bytes):
    """Whatever a service sends, reading it gives durations that are numbers, or none."""
    assert all(0 <= each < float("inf") for each in durations_ms(value).values())


@given(st.lists(values, min_size=1, max_size=5) | plain.map(lambda value: [value, value]))
def test_many_at_once_are_read_like_each_alone(headers: list[bytes]):
    """Reading many values together finds in each what reading it alone finds."""
    found: list[dict[str, float]] = [{} for _ in headers]
    for name, (rows, times) in columns_ms(headers).items():
        for row, time in zip(rows.tolist(), times.tolist(), strict=True):
            found[row][name] = time
    assert found == [durations_ms(value) for value in headers]


def test_repeated_headers_are_one():
    """Several Server-Timing headers, however spelled, count as one that lists all their parts."""
    headers = encode_headers(
        [(b"Server-Timing", b"db;dur=1"), (b"x", b"y"), (b"server-timing", b"app;dur=2")]
    )
    value = server_timing(headers)
    assert value is not None
    assert durations_ms(value) == {"db": 1, "app": 2}
    assert server_timing(headers[1:2]) is None


def test_the_request_id_is_found():
    """The X-Request-ID is found in any case, and "" stands for none."""
    assert request_id(encode_headers([(b"a", b"b"), (b"X-Request-Id", b"w1-17")])) == "w1-17"
    assert request_id(encode_headers([(b"a", b"b")])) == ""
    assert len(request_id(encode_headers([(b"x-request-id", b"z" * 9999)]))) < 1000
