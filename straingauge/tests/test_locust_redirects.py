"""Redirects and cookies of plain requests of a Locust user."""

from locust_caller import Locust
from raw_server import Peer, serve


def redirecting(peer: Peer) -> None:
    """Redirect /n to /n-1, and respond to /0."""
    while (exchange := peer.read()) is not None:
        left = int(exchange.target[1:])
        if left:
            peer.answer(307 if left == 1 else 302, b"", f"Location: /{left - 1}\r\n")
        else:
            peer.answer(200, b'"there"')


def test_redirects_are_followed_as_one_request(caller: Locust):
    """A plain request follows redirects, with GET after 302, and counts once."""
    with serve(redirecting) as server:
        outcome = caller.call(
            server.url,
            """
            answer = client.post("/3", json={"a": 1}, name="start")
            return [answer.json(), answer.url, [each.status_code for each in answer.history]]
            """,
        )
    assert outcome.value == ["there", f"{server.url}/0", [302, 302, 307]]
    assert [each.method for each in server.requests] == ["POST", "GET", "GET", "GET"]
    assert [event["name"] for event in outcome.events] == ["start"]
    assert outcome.record["main POST start"]["requests"] == outcome.totals["requests"] == 1


def test_redirects_are_limited(caller: Locust):
    """One redirect more than allowed is a failure; with allow_redirects=False, none is followed."""
    with serve(redirecting) as server:
        outcome = caller.call(server.url, 'client.get("/9")', max_redirects=3)
        kept = caller.call(server.url, 'return client.get("/9", allow_redirects=False).status_code')
    assert outcome.failures == {"redirect": 1}
    assert outcome.events[0]["exception"].startswith("redirect: more than 3 redirects")
    assert (kept.value, kept.events[0]["exception"]) == (302, None)


def test_cookies_are_kept(caller: Locust):
    """Cookies of a service are sent back to it, also those set by redirects."""

    def handler(peer: Peer) -> None:
        peer.read()
        peer.answer(302, b"", "Set-Cookie: id=7; Path=/\r\nset-cookie: b=8\r\nLocation: /y\r\n")
        while peer.read() is not None:
            peer.answer()

    with serve(handler) as server:
        caller.call(server.url, 'client.get("/x")\nclient.get("/z")')
    assert "Cookie" not in server.requests[0].head
    for exchange in server.requests[1:]:
        assert "Cookie: id=7; b=8" in exchange.head


def test_a_location_in_raw_bytes_is_followed(caller: Locust):
    """A Location in UTF-8, or in another encoding, is requested percent-encoded."""
    locations = {
        "/utf8": b"/caf\xc3\xa9?q=\xc3\xbc#part",
        "/latin": b"/caf\xe9",
        "/encoded": b"/caf%C3%A9 x",
        "/broken": b"http://[::1/",
    }

    def handler(peer: Peer) -> None:
        while (exchange := peer.read()) is not None:
            location = locations.get(exchange.target)
            if location is None:
                peer.answer()
                continue
            head = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
            peer.socket.sendall(head % location)

    with serve(handler) as server:
        outcome = caller.call(
            server.url, f"return [client.get(path).status_code for path in {list(locations)}]"
        )
    assert outcome.value == [200, 200, 200, 0]
    asked = [each.target for each in server.requests if each.target not in locations]
    assert asked == ["/caf%C3%A9?q=%C3%BC", "/caf%E9", "/caf%C3%A9%20x"]
