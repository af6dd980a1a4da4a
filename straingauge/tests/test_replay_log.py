"""Access logs as recordings: what is sent when, by which user, and what is skipped."""

import gzip
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from straingauge.errors import UsageError
from straingauge.journey import User
from straingauge.replay import LogSource, LogTime, RecordedRequest, log_size, read_recording
from straingauge.replay.access_log import Change
from straingauge.replay.recording import Recording, endpoint_name, expected_statuses
from straingauge.replay.timing import SECOND_NS, spread_within_seconds

Read = Callable[..., Recording]
INSTANTS = st.lists(st.integers(0, 60 * SECOND_NS), min_size=1, max_size=40).map(sorted)


def line(second: int, request: str, client: str = "192.0.2.1", status: int = 200) -> str:
    """Write a line of the combined format."""
    time = f"10/Oct/2026:15:{55 + second // 60}:{second % 60:02} +0200"
    return f'{client} - - [{time}] "{request} HTTP/1.1" {status} 12 "-" "curl/8"\n'


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a text as a log."""

    def read(text: str | bytes, change: Change | None = None, **how: object) -> Recording:
        path = tmp_path / "access.log"
        path.write_bytes(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
        return read_recording(LogSource(path=path, size_bytes=log_size(path), **how), change)

    return read


def targets(recording: Recording) -> list[str]:
    """Return the targets in the order of the schedule."""
    return [recording.table.request(int(place)).target for place in recording.order]


def starts_s(recording: Recording) -> list[float]:
    """Return the starts of the requests in seconds."""
    return [round(int(at_ns) / SECOND_NS, 6) for at_ns in recording.schedule.at_ns]


# Which requests are sent


def test_reads_are_sent_and_the_rest_is_counted(read: Read):
    """GET and HEAD are sent with their queries; all else is counted with a reason."""
    text = (
        line(0, "GET /a?b=1&c=%20")
        + line(0, "HEAD /a")
        + line(1, "POST /a")
        + line(1, "OPTIONS *")
        + line(1, "CONNECT other.example:443")
        + "\n"
        + "2026/10/10 15:55:01 [error] 12#12: upstream timed out\n"
        + line(1, r"\x16\x03\x01")
    )
    found = read(text)
    assert targets(found) == ["/a?b=1&c=%20", "/a"]
    summary = found.summary
    assert (summary.lines, summary.unparsed, summary.first_unparsed) == (7, 1, 7)
    assert sum(summary.skipped.values()) == 4
    assert targets(read(text, writes=True)) == ["/a?b=1&c=%20", "/a", "/a"]
    shown = " ".join(f"{label} {text}" for label, text in summary.text_lines())
    assert "skipped 1 request: not GET or HEAD (--writes sends them)" in shown
    assert "skipped 1 line in another format; the first is line 7" in shown


def test_a_part_of_a_log(read: Read):
    """The part is given by times of the log, with its zone, or since its first request."""
    text = "".join(line(second, f"GET /{second}") for second in (0, 30, 59, 60, 90))
    assert targets(read(text, begin=LogTime("15:55:30"), end=LogTime("15:56"))) == ["/30", "/59"]
    assert targets(read(text, begin=LogTime("1m"))) == ["/60", "/90"]
    assert targets(read(text, end=LogTime("2026-10-10T13:55:30Z"))) == ["/0"]
    assert starts_s(read(text, begin=LogTime("15:55:59"))) == [0, 1, 31]
    with pytest.raises(UsageError, match="--to must be later"):
        read(text, begin=LogTime("15:56"), end=LogTime("30s"))
    with pytest.raises(UsageError, match=r"no request is left to send .*5 outside of --from"):
        read(text, begin=LogTime("16:00"))
    with pytest.raises(UsageError, match="is no time in a log"):
        LogTime("yesterday")


def test_a_function_changes_or_skips_requests(read: Read):
    """The function of a user renumbers requests, gives them a body, and skips others."""

    def change(request: RecordedRequest) -> RecordedRequest | None:
        if request.path == "/skipped":
            return None
        if request.method == "POST":
            return replace(request, body=b"{}", headers={"Content-Type": "application/json"})
        return replace(request, target=request.target.replace("/17", "/1"))

    text = line(0, "GET /users/17?a=1") + line(0, "GET /skipped") + line(1, "POST /users")
    found = read(text, change, writes=True)
    assert targets(found) == ["/users/1?a=1", "/users"]
    assert found.summary.skipped == {"by --map": 1}
    request = next(found.journeys("access.log").pick(1)(User(0)))
    assert request.body == b"{}"
    assert request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: 1 / 0, "--map failed at line 2 .*GET /.*: ZeroDivisionError"),
        (lambda request: request.target, "--map returned '/' at line 2, neither"),
        (lambda request: replace(request, method="GET IT"), "--map at line 2: .*no HTTP method"),
        (lambda request: replace(request, target="x"), "--map at line 2: a path begins"),
        (lambda request: replace(request, headers={"a": "b\r\nc"}), "--map at line 2"),
        (lambda request: replace(request, headers=3), "--map at line 2"),
    ],
)
def test_a_function_that_fails(read: Read, change: Change, message: str):
    """An error in the function of a user names the line, before anything is sent."""
    with pytest.raises(UsageError, match=message):
        read("\n" + line(0, "GET /"), change)


# Bad input


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "not an access log in a known format"),
        (b"nothing\n" * 5, "not an access log in a known format; it begins with 'nothing'"),
        (b"\xff\xfe\x00" * 500, "not an access log in a known format"),
        (b"x" * 200_000, "not an access log in a known format"),
        (
            line(0, "GET /").encode() + b"x\ny\n",
            "2 of 3 lines are not in the format .* line 2: 'x'",
        ),
        (line(0, "POST /").encode(), "no request is left to send .1 not GET or HEAD"),
        (gzip.compress(line(0, "GET /").encode() * 99)[:60], "damaged or cut after line"),
        (b"\x1f\x8bplain text", "damaged or cut after line 0|cannot be read"),
        (b'INFO: 127.0.0.1:5 - "GET / HTTP/1.1" 200 OK\n', "its lines have no times"),
        (b'{"time": 1, "level": "info"}\n' * 3, "not an access log in a known format"),
    ],
)
def test_bad_logs(read: Read, text: bytes, message: str):
    """A log that cannot be replayed is one clear error."""
    with pytest.raises(UsageError, match=message):
        read(text)


@given(
    st.lists(
        st.text()
        | st.builds(line, st.integers(0, 300), st.text(max_size=9))
        | st.builds(
            line, st.integers(0, 300), st.text(max_size=9).map(lambda text: f"GET /{text}")
        ),
        max_size=9,
    )
)
@settings(max_examples=50)
def test_any_text_is_a_recording_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
):
    """A log is either replayed or refused with a clear error, whatever is in it."""
    path = tmp_path_factory.mktemp("log") / "access.log"
    path.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    with suppress(UsageError):
        source = LogSource(path=path, size_bytes=log_size(path), writes=True)
        found = read_recording(source)
        journeys = found.journeys("access.log")
        for n in range(found.schedule.count):
            assert next(journeys.pick(n)(User(0))).target.startswith("/")


def test_what_is_no_log(tmp_path: Path):
    """A folder or a missing file is one clear error."""
    with pytest.raises(UsageError, match="is not a file"):
        log_size(tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        log_size(tmp_path / "none")


def test_a_log_that_changes(tmp_path: Path):
    """All processes read the same part of a log that is written to; a shorter one is an error."""
    path = tmp_path / "access.log"
    path.write_text(line(0, "GET /a") + line(1, "GET /b")[:40])
    source = LogSource(path=path, size_bytes=log_size(path))
    with path.open("a") as file:
        file.write(line(1, "GET /b")[40:] + line(2, "GET /c"))
    found = read_recording(source)
    assert targets(found) == ["/a"]
    assert found.summary.unparsed == 1
    path.write_text(line(0, "GET /a"))
    with pytest.raises(UsageError, match="became shorter"):
        read_recording(source)


def test_compressed_logs_and_other_encodings(read: Read):
    """A rotated log may be compressed; bytes that are not ASCII are sent percent-encoded."""
    text = line(0, "GET /\udce9/ö") + line(0, "GET /long/" + "x" * 70_000)
    found = read(gzip.compress(text.encode("utf-8", "surrogateescape") + line(1, "GET /").encode()))
    assert targets(found) == ["/%E9/%C3%B6", "/"]


# When they are sent


def test_order_and_timing(read: Read):
    """Requests are sent in the order of their times; equal ones in the order of the log."""
    text = line(2, "GET /c") + line(0, "GET /a") + line(2, "GET /d") + line(0, "GET /b")
    found = read(text)
    assert targets(found) == ["/a", "/b", "/c", "/d"]
    assert starts_s(found) == [0, 0.5, 2, 2.5]
    assert found.summary.is_spread
    assert starts_s(read(text, speed=2.0)) == [0, 0.25, 1, 1.25]
    assert starts_s(read(text, rate_per_s=10.0)) == pytest.approx([0, 0.1, 0.2, 0.3])


def test_fractions_of_seconds_are_kept(read: Read):
    """Times that are finer than a second are kept as they are."""
    text = "".join(
        f'{{"time": "2026-10-10T13:55:{at}Z", "method": "GET", "path": "/"}}\n'
        for at in ("10.250", "10.750", "12.000")
    )
    found = read(text)
    assert starts_s(found) == [0, 0.5, 1.75]
    assert not found.summary.is_spread
    assert not found.summary.has_clients
    assert found.summary.sessions == 3


def test_a_replay_that_would_not_end(read: Read):
    """One line with a wrong date, or a speed that is too low, is an error."""
    text = line(0, "GET /a") + line(1, "GET /b").replace("2026", "2199")
    with pytest.raises(UsageError, match=r"the replay would last 6.... days"):
        read(text)
    assert read(text.replace("2199", "9999")).summary.unparsed == 1
    for how in ({"speed": 1e-300}, {"rate_per_s": 1e-300}):
        with pytest.raises(UsageError, match="days"):
            read(line(0, "GET /a") + line(1, "GET /b"), **how)


@given(INSTANTS)
@settings(max_examples=50)
def test_requests_are_spread_within_their_second(instants: list[int]):
    """Each stays in its second, in order, and evenly."""
    whole = np.array([at_ns // SECOND_NS * SECOND_NS for at_ns in instants], dtype=np.int64)
    found = spread_within_seconds(whole)
    assert np.array_equal(found // SECOND_NS * SECOND_NS, whole)
    assert np.all(np.diff(found) > 0)
    for second in np.unique(whole):
        gaps = np.diff(found[whole == second])
        assert not len(gaps) or gaps.max() - gaps.min() <= 1


# Who sends them, and how they are named and judged


def test_sessions_are_kept_together(read: Read):
    """Requests of one client and user agent have one user, also if another agent shares it."""
    other = line(1, "GET /3").replace("curl/8", "other")
    text = line(0, "GET /1") + line(0, "GET /2", "192.0.2.2") + other + line(1, "GET /4")
    found = read(text)
    users = found.schedule.user_index.tolist()
    assert users[0] == users[3]
    assert len(set(users)) == found.summary.users == found.summary.sessions == 3


def test_more_sessions_than_users(read: Read):
    """Sessions that share a user are reported."""
    text = "".join(line(second, "GET /", f"192.0.2.{n}") for second in (0, 1) for n in range(3))
    summary = read(text, most_users=2).summary
    assert (summary.users, summary.shared) == (2, 1)
    shown = " ".join(text for _, text in summary.text_lines())
    assert "1 session shares one of the 2 users" in shown


def test_endpoints_have_no_ids():
    """Names have {id} in place of numbers and long ids, and no query."""
    for target, name in {
        "/items/17?page=2": "GET /items/{id}",
        "/v2/users/3fa85f64-5717-4562-b3fc-2c963f66afa6/posts": "GET /v2/users/{id}/posts",
        "/about": "GET /about",
    }.items():
        assert endpoint_name(RecordedRequest("GET", target)) == name


def test_expected_statuses():
    """A client error of the log is expected again, an error of the service and a 429 are not."""
    assert {200, 302, 304} <= expected_statuses(0)
    assert 404 in expected_statuses(404)
    assert 404 not in expected_statuses(200)
    assert 500 not in expected_statuses(500)
    assert 429 not in expected_statuses(429)


def test_a_new_session_of_a_user_has_no_cookies_of_another(read: Read):
    """A user that begins another session forgets the cookies of the one before."""
    journeys = read(line(0, "GET /1") + line(1, "GET /2") + line(2, "GET /3", "192.0.2.2")).journeys
    user, mix = User(0), journeys("access.log")
    next(mix.pick(0)(user))
    user.cookies.set("a", "b")
    next(mix.pick(1)(user))
    assert list(user.cookies)
    next(mix.pick(2)(user))
    assert not list(user.cookies)
