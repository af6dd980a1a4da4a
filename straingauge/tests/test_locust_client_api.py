"""Plain requests of a Locust user, with the interface of FastHttpUser's client."""

import gzip
import json
from pathlib import Path

import pytest
from locust_caller import Locust
from raw_server import answering, serve


def test_plain_requests_send_what_the_requests_library_would(caller: Locust):
    """JSON, forms, queries, credentials and headers are sent as `requests` sends them."""
    with serve(answering()) as server:
        outcome = caller.call(
            server.url.replace("//", "//anna:p%40ss@"),
            """
            client.headers["X-Session"] = "s"
            client.get("/a", params={"q": "x y", "none": None, "n": [1, 2]})
            client.post("/b", json={"a": 1})
            client.put("/c", data={"a": "1 2"}, headers={"X-Own": "o", "accept-encoding": "br"})
            client.patch("/d", data=b"raw", auth=("bob", "secret"))
            client.delete("/e?x=1", name="/e")
            client.options("/f")
            client.request("PURGE", "/g")
            client.post("/h")
            client.head("/i")
            client.get("/j")
            """,
        )
    assert outcome.value is None
    sent = {each.target: each for each in server.requests}
    assert list(sent) == [
        *("/a?q=x+y&n=1&n=2", "/b", "/c", "/d", "/e?x=1", "/f", "/g", "/h", "/i", "/j")
    ]
    assert "Authorization: Basic YW5uYTpwQHNz" in sent["/b"].head
    assert "Authorization: Basic Ym9iOnNlY3JldA==" in sent["/d"].head
    assert json.loads(sent["/b"].body) == {"a": 1}
    assert "Content-Type: application/json" in sent["/b"].head
    assert "Accept: application/json" in sent["/b"].head
    assert sent["/c"].body == b"a=1+2"
    assert "X-Own: o" in sent["/c"].head
    assert sent["/c"].head.lower().count("accept-encoding") == 1
    assert sent["/d"].body == b"raw"
    assert "Content-Length: 0" in sent["/h"].head
    assert all("X-Session: s" in each.head for each in server.requests)
    assert server.connections == 1  # a HEAD's answer announces a body that never comes
    assert [event["name"] for event in outcome.events][4] == "/e"
    assert "main DELETE /e" in outcome.record


def test_responses_have_the_interface_of_fast_http_user(caller: Locust):
    """Status, headers, text, JSON, time and length have the names that locustfiles use."""
    body = '{"name": "Zoë"}'.encode("latin-1")
    headers = "Content-Type: application/json; charset=latin-1\r\n"
    with serve(answering(201, body, headers)) as server:
        outcome = caller.call(
            server.url,
            """
            answer = client.get("/x", context={"a": 1})
            answer.raise_for_status()
            return [answer.status_code, answer.ok, answer.text, answer.headers["content-TYPE"],
                    answer.url, answer.elapsed.total_seconds() > 0, len(answer.content)]
            """,
        )
    text, kind = '{"name": "Zoë"}', "application/json; charset=latin-1"
    assert outcome.value == [201, True, text, kind, f"{server.url}/x", True, len(body)]
    (event,) = outcome.events
    assert (event["type"], event["name"], event["length"]) == ("GET", "/x", len(body))
    assert (event["context"], event["exception"]) == ({"a": 1}, None)
    assert event["ms"] > 0


def test_an_encoded_body_is_decoded(caller: Locust):
    """A gzip body, requested with Accept-Encoding, is decoded."""
    packed = answering(body=gzip.compress(b'{"a": 1}'), headers="Content-Encoding: gzip\r\n")
    with serve(packed) as server:
        outcome = caller.call(server.url, 'return client.get("/x").json()')
    assert outcome.value == {"a": 1}
    assert "Accept-Encoding: gzip, deflate" in server.requests[0].head


@pytest.mark.parametrize(
    ("judging", "exception", "errors"),
    [
        ("pass", "status 404", {"bad_status": 1}),
        ("answer.success()", None, {}),
        ('answer.failure("no cheese")', "no cheese", {"bad_status": 1}),
        ("answer.raise_for_status()", "status 404", {"bad_status": 1}),
        ('from locust.exception import ResponseError\nraise ResponseError("odd")', "odd",
         {"bad_status": 1}),
    ],
)  # fmt: skip
def test_a_caught_response_is_judged_in_its_block(
    caller: Locust, judging: str, exception: str | None, errors: dict[str, int]
):
    """With catch_response the block decides; the request is reported once, at its end."""
    lines = "\n".join(f"    {line}" for line in judging.splitlines())
    text = f'with client.get("/x", catch_response=True) as answer:\n{lines}'
    with serve(answering(404)) as server:
        outcome = caller.call(server.url, text)
    assert outcome.value is None
    assert [event["exception"] for event in outcome.events] == [exception]
    (figures,) = outcome.record.values()
    assert (figures["requests"], figures["errors"]) == (1, errors)


def test_a_successful_response_can_be_a_failure(caller: Locust):
    """A failed check of a successful response is reported and recorded as such."""
    with serve(answering()) as server:
        outcome = caller.call(
            server.url,
            """
            with client.get("/x", catch_response=True) as answer:
                answer.failure("no cheese")
            """,
        )
    assert outcome.failures == {"failed_check": 1}
    assert outcome.events[0]["exception"] == "no cheese"


def test_an_exception_in_the_block_discards_the_request(caller: Locust):
    """As in Locust, an exception in the block is raised, and the request is not counted."""
    with serve(answering()) as server:
        outcome = caller.call(
            server.url,
            """
            with client.get("/x", catch_response=True) as answer:
                raise KeyError("mine")
            """,
        )
    assert outcome.value == "exception: KeyError: 'mine'"
    assert (outcome.events, outcome.totals["requests"]) == ([], 0)


def test_the_event_can_be_changed_in_the_block(caller: Locust):
    """A name and a response time set in request_meta are reported and recorded."""
    with serve(answering()) as server:
        outcome = caller.call(
            server.url,
            """
            with client.get("/x", catch_response=True) as answer:
                answer.request_meta["name"] = "/other"
                answer.request_meta["response_time"] = 1234.0
            """,
        )
    assert [(event["name"], event["ms"]) for event in outcome.events] == [("/other", 1234.0)]
    assert outcome.record["main GET /other"]["response_ms"] == pytest.approx(1234, rel=0.005)


def test_success_outside_a_block_is_an_error(caller: Locust):
    """The error names catch_response."""
    with serve(answering()) as server:
        outcome = caller.call(server.url, 'client.get("/x").success()')
    assert "catch_response=True" in outcome.value


def test_rest_works_as_in_locust(caller: Locust):
    """Locust's `self.rest` works with this client, and rejects a body that is not JSON."""
    with serve(answering(body=b"<html>")) as server:
        outcome = caller.call(
            server.url,
            """
            with user.rest("GET", "/x") as answer:
                return answer.js
            """,
        )
    assert outcome.value is None
    assert outcome.events[0]["exception"].startswith("Could not parse response as JSON")


def test_a_file_is_uploaded(caller: Locust, tmp_path: Path):
    """`files=` is a multipart body, with the fields of `data=` before it."""
    (tmp_path / "a.txt").write_text("cheese")
    with serve(answering()) as server:
        outcome = caller.call(
            server.url,
            f"""
            with open({str(tmp_path / "a.txt")!r}, "rb") as file:
                client.post("/x", data={{"n": 1}}, files={{"f": file, "g": ("b", b"wine", "x/y")}})
            """,
        )
    assert outcome.value is None
    (exchange,) = server.requests
    assert "Content-Type: multipart/form-data; boundary=" in exchange.head
    assert b'name="n"\r\n\r\n1\r\n' in exchange.body
    assert b'filename="a.txt"\r\nContent-Type: text/plain\r\n\r\ncheese' in exchange.body
    assert b'filename="b"\r\nContent-Type: x/y\r\n\r\nwine' in exchange.body


def test_requests_of_other_clients_are_recorded_once(caller: Locust):
    """An event that another client fires is recorded; those of this client are not repeated."""
    with serve(answering(503)) as server:
        outcome = caller.call(
            server.url,
            """
            from locust.contrib.fasthttp import FastHttpSession
            other = FastHttpSession(user.host, user.environment.events.request, user)
            other.get("/other")
            other.client.clientpool.close()
            client.get("/own")
            user.environment.events.request.fire(
                request_type="grpc", name="call", url=None, response_time=None,
                response_length=0, response=object(), exception=None, context={})
            """,
        )
    assert outcome.value is None
    assert {name: each["requests"] for name, each in outcome.record.items()} == {
        "main GET /other": 1, "main GET /own": 1, "main grpc call": 1
    }  # fmt: skip
    for name in ("other", "own"):
        assert outcome.record[f"main GET /{name}"]["errors"] == {"bad_status": 1}
    assert len(outcome.events) == 3


def test_what_cannot_be_sent_is_an_error(caller: Locust):
    """The error names an unknown option, an invalid header, or an unsupported attribute."""
    with serve(answering()) as server:
        option = caller.call(server.url, 'client.get("/x", retries=3)')
        header = caller.call(server.url, 'client.get("/x", headers={"X": "a\\r\\nY: b"})')
        proxy = caller.call(server.url, "pass", proxy_host="10.0.0.1")
        nowhere = caller.call("", 'client.get("/x")')
    assert proxy.setup_failures == [
        "Caller.proxy_host: JourneyUser does not support this attribute"
    ]
    assert nowhere.setup_failures == ["no host given"]
    assert "'retries'" in option.value
    assert "cannot be sent" in header.value
    assert server.requests == []


@pytest.mark.parametrize("has_listeners", [True, False])
def test_locusts_statistics_count_each_request_once(caller: Locust, *, has_listeners: bool):
    """With and without other listeners, Locust's statistics equal the record."""
    with serve(answering(body=b"x" * 10)) as server:
        outcome = caller.call(
            server.url,
            f"""
            import gevent
            hook, stats = user.environment.events.request, user.environment.stats
            listeners = hook._handlers
            hook._handlers = listeners if {has_listeners} else listeners[:-1]
            stats.clear_all()
            pool = [gevent.spawn(client.get, "/x") for _ in range(5)]
            gevent.joinall(pool)
            for _ in range(20):
                client.get("/x")
            client.get("/y")
            gevent.sleep(0)
            hook._handlers = listeners
            each, total = stats.get("/x", "GET"), stats.total
            return [[each.num_requests, sum(each.response_times.values()), each.num_failures,
                     each.total_content_length, sum(each.num_reqs_per_sec.values())],
                    [total.num_requests, sum(total.response_times.values())],
                    0 < each.min_response_time <= each.avg_response_time <= each.max_response_time]
            """,
        )
    assert outcome.value == [[25, 25, 0, 250, 25], [26, 26], True]
    assert len(outcome.events) == (26 if has_listeners else 0)
    assert outcome.record["main GET /x"]["requests"] == 25


def test_a_response_is_freed_without_the_garbage_collector(caller: Locust):
    """A response, successful, caught or failed, is freed with its last reference."""
    with serve(answering()) as server:
        outcome = caller.call(
            server.url,
            """
            import gc, weakref
            gc.disable()
            plain = weakref.ref(client.get("/x"))
            failed = weakref.ref(client.get("http://127.0.0.1:9/x"))
            with client.get("/x", catch_response=True) as answer:
                caught = weakref.ref(answer)
            del answer
            gc.enable()
            return [each() is None for each in (plain, failed, caught)]
            """,
        )
    assert outcome.value == [True, True, True]


def test_a_header_of_a_call_replaces_others_in_any_case(caller: Locust):
    """Headers of the client, and those that follow from the body, are sent once."""
    own = {"content-type": "a/b", "authorization": "mine", "user-agent": "me", "accept": "c/d"}
    with serve(answering()) as server:
        caller.call(
            server.url,
            f"""
            client.headers["Authorization"] = "Bearer token"
            client.post("/x", json=[1], headers={own})
            client.post("/y", data=(b"%d" % n for n in range(3)))
            """,
        )
    lines = [line.lower() for line in server.requests[0].head.split("\r\n")]
    for name, value in own.items():
        assert [line for line in lines if line.startswith(f"{name}:")] == [f"{name}: {value}"]
    assert server.requests[1].body == b"012"


def test_a_base_path_precedes_plain_calls_and_journeys(caller: Locust):
    """Both go below the path of the host."""
    with serve(answering()) as server:
        outcome = caller.call(
            f"{server.url}/api/v1",
            """
            def journey(user):
                yield user.get("/journey?q=1")

            client.get("/plain")
            user.run_journey(journey)
            """,
        )
    assert outcome.value is None
    assert [each.target for each in server.requests] == ["/api/v1/plain", "/api/v1/journey?q=1"]
    assert outcome.record["main GET /journey"]["requests"] == 1
