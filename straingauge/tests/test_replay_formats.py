"""Formats of access logs."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from straingauge.errors import UsageError
from straingauge.replay.client import client_of
from straingauge.replay.json_lines import json_format
from straingauge.replay.line_formats import parse_common, parse_uvicorn
from straingauge.replay.log_time import as_datetime, instant_ns, parse_log_time
from straingauge.replay.own_format import own_format
from straingauge.replay.request import RecordedRequest

METHODS = st.sampled_from(["GET", "HEAD", "POST", "DELETE", "PROPFIND"])
TARGETS = st.text(
    st.characters(codec="ascii", exclude_categories=["Cc", "Zs"], exclude_characters='"\\')
).map(lambda rest: f"/{rest}")
AGENTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters='"\\')
)
TIMES = st.datetimes(min_value=datetime(1971, 1, 2), max_value=datetime(2200, 1, 1))  # noqa: DTZ001
ZONES = st.integers(-14 * 4, 14 * 4).map(lambda n: timezone(timedelta(minutes=15 * n)))
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
AT_NS = 1_791_640_510_000_000_000
COMMON_TIME = "10/Oct/2026:13:55:10 +0000"


def common_time(at: datetime) -> str:
    """Write a time as nginx and Apache do, whatever the locale is."""
    return f"{at:%d}/{MONTHS[at.month - 1]}/{at:%Y:%H:%M:%S %z}"


@settings(max_examples=40)
@given(METHODS, TARGETS, AGENTS, TIMES, ZONES)
def test_a_combined_line_is_parsed_as_it_was_written(
    method: str, target: str, agent: str, at: datetime, zone: timezone
):
    """Method, target, status, client, user agent and time of each line are kept."""
    at = at.replace(tzinfo=zone, microsecond=0)
    line = f'::1 - ann [{common_time(at)}] "{method} {target} HTTP/1.1" 404 12 "-" "{agent}"'
    expected = RecordedRequest(method, target, 404, instant_ns(at), "::1", agent)
    assert parse_common(line) == expected
    assert parse_common(f"shop.example:443 {line} 0.005 - cached") == expected


def test_other_lines_of_servers():
    """A log may have no user agent, no status, escapes, or a request that is not HTTP."""
    head = f"192.0.2.1 - - [{COMMON_TIME}]"
    assert parse_common(f'{head} "GET / HTTP/1.0" 200 -') == RecordedRequest(
        "GET", "/", 200, AT_NS, "192.0.2.1"
    )
    assert parse_common(f'{head} "GET /" - 0') == RecordedRequest("GET", "/", 0, AT_NS, "192.0.2.1")
    escaped = parse_common(rf'{head} "GET /a\x22b\xc3\xa9\"c\\d HTTP/1.1" 200 1')
    assert escaped is not None
    assert escaped.target == "/a%22b%c3%a9%22c%5Cd"
    foreign = parse_common(rf'{head} "\x16\x03\x01" 400 150 "-" "-"')
    assert foreign is not None
    assert foreign.method == foreign.target == ""


@settings(max_examples=40)
@given(st.text())
def test_no_line_breaks_a_parser(text: str):
    """Any text is a request or none."""
    for line in (text, f'{text} - "{text}" 200', f'{text} [{COMMON_TIME}] "{text}" 200 1'):
        parse_common(line)
        parse_uvicorn(line)
    json_format([text]).parse(text)
    parse_log_time(text)
    client_of(text)


@settings(max_examples=40)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_no_value_breaks_the_parser_of_json(value: object):
    """Each field may have any value."""
    names = ["time", "method", "path", "query", "status", "client_ip", "user_agent"]
    line = json.dumps(dict.fromkeys(names, value) | {"Request": {"Method": value}})
    json_format([line]).parse(line)
    whole = json.dumps({"method": "GET", "path": "/"})
    json_format([whole, line]).parse(line)


@settings(max_examples=40)
@given(TIMES, ZONES)
def test_times_are_parsed_in_each_notation(at: datetime, zone: timezone):
    """A time has the same instant as text, in the common format, and as a number."""
    at = at.replace(tzinfo=zone)
    at_ns = instant_ns(at)
    assert as_datetime(at_ns) == at
    assert parse_log_time(at.isoformat()) == at_ns
    assert parse_log_time(at.isoformat(" ").replace(".", ",")) == at_ns
    whole_s = at_ns // 10**9
    assert parse_log_time(common_time(at)) == whole_s * 10**9
    if whole_s > 10**9:  # a smaller number may be in another unit
        assert parse_log_time(whole_s) == parse_log_time(str(whole_s)) == whole_s * 10**9
        assert parse_log_time(whole_s * 1000) == parse_log_time(whole_s * 10**6) == whole_s * 10**9
        assert abs((parse_log_time(at_ns) or 0) - at_ns) <= 1000


@pytest.mark.parametrize(
    "value",
    [None, True, "", "-", "soon", -1, 0, float("nan"), float("inf"), 1e30, 5e19, [], "31/Foo/2026"],
)
def test_what_is_no_time(value: object):
    """Other values are no time."""
    assert parse_log_time(value) is None


def test_uvicorn():
    """The access log of uvicorn, in colour, with and without a time."""
    line = 'INFO:     127.0.0.1:43210 - "GET /a?b=1 HTTP/1.1" 200 OK'
    assert parse_uvicorn(line) == RecordedRequest("GET", "/a?b=1", 200, 0, "127.0.0.1")
    coloured = (
        '\x1b[32mINFO\x1b[0m:     ::1:0 - "\x1b[1mGET / HTTP/1.1\x1b[0m" \x1b[32m200 OK\x1b[0m'
    )
    found = parse_uvicorn(coloured)
    assert found is not None
    assert (found.method, found.target, found.status) == ("GET", "/", 200)
    timed = parse_uvicorn(f"2026-10-10 13:55:10,250 {line}")
    assert timed is not None
    assert timed.at_ns == AT_NS + 250_000_000
    assert parse_uvicorn("INFO:     Application startup complete.") is None


def test_ports_of_clients():
    """The port of a client differs by connection, and is not part of its address."""
    assert client_of("192.0.2.1:43210") == "192.0.2.1"
    assert client_of("[::1]:43210") == "::1"
    assert client_of("2001:db8::1") == "2001:db8::1"
    assert client_of("192.0.2.1") == "192.0.2.1"


HAPROXY = r' (?P<client>\S+) \[(?P<time>[^]]+)\] .* (?P<status>\d{3}) .*"(?P<request>[^"]*)"'
ALB = (
    r"^\S+ (?P<time>\S+) \S+ (?P<client>\S+) .*? (?P<status>\d{3})"
    r' .*? "(?P<request>[^"]*)" "(?P<agent>[^"]*)"'
)
IIS = (
    r"^(?P<time>\S+ \S+) \S+ (?P<method>[A-Z]+) (?P<target>\S+) \S+ \d+ \S+"
    r" (?P<client>\S+) (?P<agent>\S+) \S+ (?P<status>\d+)"
)
GIN = (
    r"(?P<time>\d{4}-\S+) \| (?P<status>\d+) \| +\S+ \| +(?P<client>\S+)"
    r' \| (?P<method>\w+) +"(?P<target>[^"]*)"'
)


@pytest.mark.parametrize(
    ("pattern", "line", "expected"),
    [
        (
            HAPROXY,
            "Feb  6 12:14:14 lb haproxy[14389]: 10.0.1.2:33317 [06/Feb/2026:12:14:14.655] in"
            ' static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {} "GET /i?a=1 HTTP/1.1"',
            ("GET", "/i?a=1", 200, "10.0.1.2", ""),
        ),
        (
            ALB,
            "https 2026-02-06T12:14:14.655000Z app/lb/50dc 192.0.2.7:2817 10.0.0.1:80 0.086 0.048"
            ' 0.037 404 404 0 57 "GET https://www.example:443/a?b=c HTTP/1.1" "curl/8" TLS_AES -',
            ("GET", "/a?b=c", 404, "192.0.2.7", "curl/8"),
        ),
        (
            IIS,
            "2026-02-06 12:14:14.655 10.0.0.9 POST /api/items - 443 - 192.0.2.7 Mozilla/5.0 - 201",
            ("POST", "/api/items", 201, "192.0.2.7", "Mozilla/5.0"),
        ),
        (
            GIN,
            '[GIN] 2026-02-06T12:14:14.655 | 200 |  1.2ms |  ::1 | GET  "/ping"',
            ("GET", "/ping", 200, "::1", ""),
        ),
    ],
    ids=["haproxy", "alb", "iis", "gin"],
)
def test_a_format_of_the_user(pattern: str, line: str, expected: tuple[str, str, int, str, str]):
    """Lines of any format are read by a pattern with named groups."""
    found = own_format(pattern).parse(line)
    assert found is not None
    assert (found.method, found.target, found.status, found.client, found.agent) == expected
    assert found.at_ns == parse_log_time("2026-02-06T12:14:14.655Z")
    assert own_format(pattern).parse("a line of something else") is None


def test_a_pattern_without_a_time_or_with_a_wrong_one():
    """A log may have no times; what should be a time and is none is no request."""
    no_time = own_format(r"(?P<request>.*)").parse("GET /a HTTP/1.1")
    assert no_time is not None
    assert (no_time.at_ns, no_time.target) == (0, "/a")
    assert own_format(r"(?P<time>\S+) (?P<request>.*)").parse("soon GET /a HTTP/1.1") is None


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?P<request>", "--log-format is no regular expression"),
        ("(?P<request>.*) (?P<size>.*)", "the group 'size'"),
        ("(?P<method>GET) (?P<time>.*)", "no group for the request"),
    ],
)
def test_a_wrong_pattern_is_named(pattern: str, message: str):
    """A pattern that cannot be used is an error that shows one that can."""
    with pytest.raises(UsageError, match=message) as caught:
        own_format(pattern)
    assert caught.value.hint


def test_utc():
    """A time without a zone is taken as UTC."""
    at = datetime(2026, 10, 10, 13, 55, 10, tzinfo=UTC)
    assert parse_log_time("2026-10-10T13:55:10") == instant_ns(at) == AT_NS


@pytest.mark.parametrize(
    ("line", "target", "client"),
    [
        (
            f'192.0.2.1 - - [{COMMON_TIME}] "GET http://shop.example/a?b=1 HTTP/1.1" 200 1',
            "/a?b=1",
            "192.0.2.1",
        ),
        (
            f'192.0.2.1 - - [{COMMON_TIME}] "GET https://shop.example HTTP/1.1" 200 1',
            "/",
            "192.0.2.1",
        ),
        (f'shop.example 192.0.2.1 - - [{COMMON_TIME}] "GET /a HTTP/2.0" 200 1', "/a", "192.0.2.1"),
        (
            f'shop.example:443 2001:db8::1 - - [{COMMON_TIME}] "GET /a HTTP/2" 200 1',
            "/a",
            "2001:db8::1",
        ),
        (f'[2001:db8::1]:5000 - - [{COMMON_TIME}] "GET /a HTTP/3" 200 1', "/a", "2001:db8::1"),
        (f'192.0.2.1:5000 - ann [{COMMON_TIME}] "GET /a HTTP/1.1" 200 1', "/a", "192.0.2.1"),
        (f'localhost - - [{COMMON_TIME}] "GET /a HTTP/1.1" 200 1', "/a", "localhost"),
        ('INFO:     ::1:5000 - "GET /a HTTP/1.1" 200 OK', "/a", "::1"),
        ('INFO:     192.0.2.1:5000 - "GET http://a/b HTTP/1.1" 200 OK', "/b", "192.0.2.1"),
        ('INFO:      - "GET /a HTTP/1.1" 200 OK', "/a", ""),
    ],
)
def test_hosts_and_clients_of_lines(line: str, target: str, client: str):
    """A whole URL is sent as its path; a session has neither the port nor the host's name."""
    request = parse_common(line) or parse_uvicorn(line)
    assert request is not None
    assert (request.target, request.client) == (target, client)


CLF = f'[{COMMON_TIME}] "GET /a HTTP/1.1" 200 12'
LONG = f'{CLF} "-" "curl/8"'


@pytest.mark.parametrize(
    ("line", "client"),
    [
        (f"192.0.2.1 - - {LONG} 0.012", "192.0.2.1"),
        (f"Oct 10 13:55:10 host gunicorn[123]: 192.0.2.1 - - {LONG}", "192.0.2.1"),
        (f"Oct 10 13:55:10 host gunicorn[123]:  - - {LONG}", ""),
        (f"web-1  | 192.0.2.1 - - {LONG}", "192.0.2.1"),
        (f"web-1  |  - - {LONG}", ""),
        (f"2026-10-10T13:55:10.123Z stdout F 2001:db8::1 - - {LONG}", "2001:db8::1"),
        (f"192.0.2.9, 192.0.2.2, 192.0.2.3 - - {LONG}", "192.0.2.9"),
        (f"host.example - Ann Lee {LONG}", "host.example"),
        (f" - - {LONG}", ""),
        (f"unix: - - {LONG}", ""),
        (f"@ - - {LONG}", ""),
        (f"None - - {CLF}", ""),
        (f"<???> - - {LONG.replace('HTTP/1.1', '1.1')}", ""),
        (f"[2026-10-10 13:55:10 +0000] [77] [INFO] 192.0.2.1:5000 - - {LONG}", "192.0.2.1"),
        ('192.0.2.1 - - [10/Oct/2026 13:55:10] "GET /a HTTP/1.1" 200 -', "192.0.2.1"),
        (
            '192.0.2.1 - - [10/Oct/2026 13:55:10] "\x1b[33mGET /a HTTP/1.1\x1b[0m" 200 -',
            "192.0.2.1",
        ),
        (f"INFO:werkzeug:192.0.2.1 - - {CLF}", "192.0.2.1"),
        ('[10/Oct/2026 13:55:10] "GET /a HTTP/1.1" 200 12', ""),
        (f"192.0.2.1 {LONG}", "192.0.2.1"),
        (f" {LONG}", ""),
        ('192.0.2.1:5000 - - [10/Oct/2026:13:55:10] "GET /a" 200', "192.0.2.1"),
    ],
)
def test_lines_like_the_common_format(line: str, client: str):
    """Servers, loggers and containers write more, less or nothing before the time."""
    found = parse_common(line.strip())
    assert found is not None
    assert (found.method, found.target, found.at_ns) == ("GET", "/a", AT_NS)
    assert found.client == client


@pytest.mark.parametrize(
    ("head", "client"),
    [
        ("INFO:    ", ""),
        ("      INFO   192.0.2.1:5000", "192.0.2.1"),
        ("2026-10-10 13:55:10,250 - uvicorn.access - INFO - 192.0.2.1:5000", "192.0.2.1"),
        ("2026-10-10 13:55:10,250 - uvicorn.access - INFO - ", ""),
        ("2026-10-10 13:55:10,250 INFO uvicorn.access", ""),
        ("[INFO] 2026-10-10 13:55:10", ""),
        ("web-1  | INFO:    ", ""),
        ("INFO:     None:0", ""),
        ("INFO:     None", ""),
        ("INFO:     testclient:50000", "testclient"),
        ("INFO:     2001:db8::1:5000", "2001:db8::1"),
        ("[INFO] [2026-10-10 13:55:10 +0000] 192.0.2.1", "192.0.2.1"),
    ],
)
def test_clients_of_uvicorn(head: str, client: str):
    """A line without a client, as on a unix socket, belongs to no session of others."""
    found = parse_uvicorn(f'{head} - "GET /a HTTP/1.1" 200 OK')
    assert found is not None
    assert found.client == client


def test_a_refused_websocket_of_uvicorn():
    """The handshake of a WebSocket is no request that can be sent again."""
    found = parse_uvicorn('INFO:     192.0.2.1:5000 - "WebSocket /ws" 403')
    assert found is not None
    assert found.method == found.target == ""
