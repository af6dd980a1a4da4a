"""Access logs with a JSON object a line."""

import json

import pytest
from straingauge.replay.json_lines import json_format
from straingauge.replay.request import RecordedRequest

AT_NS = 1_791_640_510_000_000_000
CLF = '[10/Oct/2026:13:55:10 +0000] "GET /a HTTP/1.1" 200 12'
NGINX = {
    "time_iso8601": "2026-10-10T13:55:10+00:00",
    "request": "GET /a?b=1 HTTP/1.1",
    "status": "200",
    "remote_addr": "192.0.2.1",
    "http_user_agent": "curl/8",
}
CADDY = {
    "ts": 1791640510.0,
    "request": {
        "remote_ip": "192.0.2.1",
        "method": "GET",
        "uri": "/a?b=1",
        "headers": {"User-Agent": ["curl/8"]},
    },
    "status": 200,
}
ECS = {
    "@timestamp": "2026-10-10T13:55:10.000Z",
    "http": {"request": {"method": "get"}, "response": {"status_code": 200}},
    "url": {"path": "/a", "query": "b=1"},
    "source": {"ip": "192.0.2.1"},
    "user_agent": {"original": "curl/8"},
}
GCP = {
    "timestamp": "2026-10-10T13:55:10Z",
    "httpRequest": {
        "requestMethod": "GET",
        "requestUrl": "https://shop.example/a?b=1",
        "status": 200,
        "remoteIp": "192.0.2.1",
        "userAgent": "curl/8",
    },
}


@pytest.mark.parametrize("record", [NGINX, CADDY, ECS, GCP], ids=["nginx", "caddy", "ecs", "gcp"])
def test_json_lines_of_known_programs(record: dict[str, object]):
    """The names of fields are guessed, and the format says which are taken."""
    line = json.dumps(record)
    found = json_format([line])
    expected = RecordedRequest("GET", "/a?b=1", 200, AT_NS, "192.0.2.1", "curl/8")
    assert found.parse(line) == expected
    assert "time from" in found.name
    assert "client from" in found.name
    assert found.parse("[]") is None
    assert found.parse('{"other": 1}') is None


def test_json_lines_without_requests():
    """Objects without a method and a path are no access log."""
    line = json.dumps({"time": "2026-10-10T13:55:10Z", "level": "info", "message": "started"})
    assert json_format([line]).parse(line) is None


def nested(**client: object) -> dict[str, object]:
    """Make a record with a client."""
    return {"time": "2026-10-10 13:55:10", "method": "GET", "path": "/a", "status": 200, **client}


@pytest.mark.parametrize(
    ("record", "client"),
    [
        (nested(client=None), ""),
        (nested(client="None"), ""),
        (nested(remote_addr="unix:"), ""),
        (nested(remote_addr="-"), ""),
        (nested(client=["192.0.2.1", 5000]), "192.0.2.1"),
        (nested(client={"host": "192.0.2.1", "port": 5000}), "192.0.2.1"),
        (nested(client_addr="192.0.2.1:5000"), "192.0.2.1"),
        (nested(network={"client": {"ip": "192.0.2.1"}}), "192.0.2.1"),
        (
            {
                "record": {
                    "time": {"timestamp": AT_NS / 1e9},
                    "extra": {"method": "GET", "path": "/a", "status": 200, "client": "192.0.2.1"},
                }
            },
            "192.0.2.1",
        ),
        (
            {
                "time": AT_NS // 10**6,
                "response": {"time": 0.2},
                "req": {"method": "GET", "url": "/a", "remoteAddress": "192.0.2.1"},
                "res": {"statusCode": 200},
            },
            "192.0.2.1",
        ),
        (
            {"log": f'192.0.2.1 - - {CLF} "-" "curl/8"\n', "time": "2026-10-10T13:55:11Z"},
            "192.0.2.1",
        ),
        (
            {
                "asctime": "2026-10-10 13:55:10,000",
                "message": '192.0.2.1:5000 - "GET /a HTTP/1.1" 200',
            },
            "192.0.2.1",
        ),
        (
            {"textPayload": f"192.0.2.1 - - {CLF}", "timestamp": "2026-10-10T13:55:11Z"},
            "192.0.2.1",
        ),
    ],
)
def test_json_lines_of_loggers(record: dict[str, object], client: str):
    """A record may be nested, have no client, or a line of another format in one of its fields."""
    line = json.dumps(record)
    found = json_format([line]).parse(line)
    assert found is not None
    assert (found.method, found.target, found.status) == ("GET", "/a", 200)
    assert (found.at_ns, found.client) == (AT_NS, client)
    assert json_format([line]).parse("{}") is None
