"""Idioms of `requests` in tasks, as in locustfiles written for HttpUser."""

from base64 import b64encode

import pytest
from locust_caller import Locust
from raw_server import Peer, answering, serve

COOKIE = "Set-Cookie: sid=abc; Path=/\r\n"


def sent_headers(head: str, name: str) -> list[str]:
    """Return the values of a header of a request."""
    lines = (line.partition(": ") for line in head.split("\r\n"))
    return [value for key, _, value in lines if key.lower() == name]


@pytest.mark.parametrize(
    "code",
    [
        'return client.get("/x").cookies["sid"]',
        'client.get("/x"); return client.cookies.get("sid")',
        'client.get("/x"); return client.cookies["sid"]',
        'client.get("/x"); return client.cookies.get_dict()["sid"]',
        'client.get("/x"); return next(iter(client.cookiejar)).value',
        'client.cookies.set("sid", "abc"); return client.cookies["sid"]',
        'client.cookies = {"sid": "abc"}; return client.cookies["sid"]',
    ],
)
def test_cookies_can_be_read(caller: Locust, code: str):
    """Cookies of a response and of the client have the interface of `requests`."""
    with serve(answering(headers=COOKIE)) as server:
        assert caller.call(server.url, code).value == "abc"


@pytest.mark.parametrize(
    ("code", "cookies"),
    [
        ('client.get("/x", cookies={"k": "v"}); client.get("/x")', ["k=v", None]),
        ('client.cookies.update({"k": "v"}); client.get("/x")', ["k=v"]),
        ('client.cookies["k"] = "v"; client.get("/x", cookies={"k": "w"})', ["k=w"]),
        ('client.cookies["k"] = "v"; client.cookies.clear(); client.get("/x")', [None]),
        ('client.cookies = {"k": "v"}; client.get("/x", cookies={"a": "b"})', ["k=v; a=b"]),
        ('client.get("/x", cookies={"k": "v"}, headers={"Cookie": "own=1"})', ["own=1"]),
    ],
)
def test_cookies_are_sent(caller: Locust, code: str, cookies: list[str | None]):
    """Cookies of a call are sent once, those of the client with each call."""
    with serve(answering()) as server:
        assert caller.call(server.url, code).value is None
    assert [sent_headers(each.head, "cookie") for each in server.requests] == [
        [] if each is None else [each] for each in cookies
    ]


def test_cookies_of_a_call_do_not_leave_its_host(caller: Locust):
    """A redirect within the host keeps the cookies of a call; another port does not get them."""

    def redirect(peer: Peer) -> None:
        while exchange := peer.read():
            to = {"/a": "/b", "/b": f"{other.url}/c"}[exchange.target]
            peer.answer(302, b"", f"Location: {to}\r\n")

    with serve(answering()) as other, serve(redirect) as server:
        caller.call(server.url, 'client.get("/a", cookies={"k": "v"})')
    cookies = [sent_headers(each.head, "cookie") for each in (*server.requests, *other.requests)]
    assert cookies == [["k=v"], ["k=v"], []]


BASIC = "Basic " + b64encode(b"u:p").decode()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('client.auth = ("u", "p"); client.get("/x")', BASIC),
        ('client.auth = ("a", "b"); client.get("/x", auth=("u", "p"))', BASIC),
        ('client.get("/x", auth=["u", "p"])', BASIC),
        ('client.headers["Authorization"] = "T"; client.get("/x", auth=("u", "p"))', BASIC),
        ('from requests.auth import HTTPBasicAuth; client.get("/x", auth=HTTPBasicAuth("u", "p"))',
         BASIC),
        ("""
def bearer(prepared):
    prepared.headers["Authorization"] = "Bearer t"
    return prepared
client.auth = bearer
client.post("/x", json={})
""", "Bearer t"),
        ('client.headers = {"Authorization": "Token x"}; client.get("/x")', "Token x"),
    ],
)  # fmt: skip
def test_authentication(caller: Locust, code: str, expected: str):
    """Authentication of the client and of a call is sent, once, and never ignored."""
    with serve(answering()) as server:
        assert caller.call(server.url, code).value is None
    (exchange,) = server.requests
    assert sent_headers(exchange.head, "authorization") == [expected]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ('from requests.auth import HTTPDigestAuth as D; client.get("/x", auth=D("u", "p"))',
         "JourneyUser supports authentication by headers alone"),
        ('client.get("/x", auth="token")', "expected a user and a password"),
        ('client.get("/x", proxies={"http": "http://127.0.0.1:1"})', "does not support proxies"),
        ('client.proxies = {"http": "http://127.0.0.1:1"}', "does not support proxies"),
        ('client.mount("http://", None)', "does not support mount()"),
        ('client.get("/x", hooks={"response": print})', "does not support hooks"),
        ('client.get("/x", verify="missing.pem")', "No such file"),
        ('client.cert = "missing.pem"; client.get("/x")', "No such file"),
    ],
)  # fmt: skip
def test_what_is_not_supported_ends_the_run(caller: Locust, code: str, message: str):
    """A setting that would be ignored ends the run with one message, and nothing is sent."""
    with serve(answering()) as server:
        outcome = caller.call(server.url, code)
    assert message in "".join(outcome.setup_failures)
    assert server.requests == []


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ('params={"a": None}', "/x"),
        ('params={"a": [1, None, 2], "b": True}', "/x?a=1&a=2&b=True"),
        ('params=[("a", 1), ("a", 2)]', "/x?a=1&a=2"),
        ("params=b'a=1'", "/x?a=1"),
        ("params={}", "/x"),
        ("verify=False, proxies=None, stream=True, cert=None, hooks=None", "/x"),
        ("timeout=(3, None)", "/x"),
    ],
)
def test_options_of_a_call(caller: Locust, options: str, target: str):
    """Options are taken as `requests` takes them."""
    with serve(answering()) as server:
        assert caller.call(server.url, f'client.get("/x", {options})').value is None
    assert [each.target for each in server.requests] == [target]


def test_parameters_of_the_client_are_added(caller: Locust):
    """`client.params` are sent with each call, and a call's own override them."""
    with serve(answering()) as server:
        caller.call(
            server.url,
            'client.params = {"k": 1}; client.get("/x"); client.get("/x", params={"k": 2})',
        )
    assert [each.target for each in server.requests] == ["/x?k=1", "/x?k=2"]


def test_a_body_may_be_an_iterator(caller: Locust):
    """The pieces of an iterator are one body."""
    with serve(answering()) as server:
        caller.call(server.url, 'client.post("/x", data=(each for each in [b"a", "b"]))')
    assert [each.body for each in server.requests] == [b"ab"]


def test_lines_of_a_response(caller: Locust):
    """`client.iter_lines` yields lines, and a method may be in lower case."""
    with serve(answering(body=b"a\nb")) as server:
        outcome = caller.call(server.url, 'return list(client.iter_lines("/x", "get"))')
    assert outcome.value == ["a", "b"]
    assert server.requests[0].head.startswith("GET /x ")


def test_a_response_is_true_if_it_is_ok(caller: Locust):
    """Responses have reason, truth, lines and a block that needs no `catch_response`."""
    with serve(answering(404, b"a\nb")) as server:
        outcome = caller.call(
            server.url,
            """
            with client.get("/x", stream=True) as response:
                lines = list(response.iter_lines())
            response.close()
            return [bool(response), bool(response.reason), response.is_redirect, lines]
            """,
        )
    assert outcome.value == [False, True, False, ["a", "b"]]
    assert outcome.record["main GET /x"]["requests"] == 1


def test_a_closed_client_opens_a_connection(caller: Locust):
    """`client.close` ends the user's connections, and the next call opens one."""
    with serve(answering()) as server:
        outcome = caller.call(
            server.url, 'client.get("/x"); client.get("/x"); client.close(); client.get("/x")'
        )
    assert outcome.value is None
    assert outcome.totals["connections"] == 2


def test_links_of_a_response(caller: Locust):
    """`response.links` has the header Link by relation, as in `requests`."""
    header = 'Link: </x?page=2>; rel="next", </x?page=9>; rel="last"\r\n'
    with serve(answering(headers=header)) as server:
        outcome = caller.call(server.url, 'return client.get("/x").links["next"]["url"]')
    with serve(answering()) as server:
        without = caller.call(server.url, 'return client.get("/x").links')
    assert (outcome.value, without.value) == ("/x?page=2", {})


@pytest.mark.parametrize(
    "location",
    [
        "http://sso.internal.invalid/login",
        "https://192.0.2.77/login",
        "http://[::1/x",
        "http://127.0.0.1:99999/x",
        "ftp://127.0.0.1/x",
        "http:///x",
    ],
)
def test_a_redirect_elsewhere_is_one_failed_request(caller: Locust, location: str):
    """A redirect to another, unresolvable or invalid host fails this request, not the run."""
    redirect = answering(302, b"", f"Location: {location}\r\n")
    with serve(redirect) as server:
        outcome = caller.call(server.url, 'return client.get("/x").error is not None')
    assert outcome.value is True
    assert outcome.setup_failures == []
    assert outcome.failures == {"redirect": 1}
    assert location.split("/")[2] in outcome.record["main GET /x"]["examples"][0]
