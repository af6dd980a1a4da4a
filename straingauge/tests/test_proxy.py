"""HTTP proxies without I/O: their URL, and the tunnels they open or refuse."""

from pathlib import Path

import pytest
from straingauge.errors import TargetError, UsageError
from straingauge.http import ErrorKind, Request, Response, check_response
from straingauge.http.address import Address, connect_failure, resolve
from straingauge.http.exchange import Exchange
from straingauge.http.proxy import Proxy, ProxyError, Tunnel
from straingauge.http.settings import HttpSettings

OK = b"HTTP/1.1 200 Connection established\r\n\r\n"
PROXY = Proxy.parse("http://load:se%20cret@localhost:3128")


def target(url: str, **settings: object) -> Address:
    """The address of a target with settings."""
    return resolve(url, settings=HttpSettings(**settings))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:3128", "is not the URL of a proxy"),
        ("http://", "is not the URL of a proxy"),
        ("http://user:secret@:1", "is not the URL of a proxy"),
        ("http://localhost:99999", "is not a URL"),
        ("https://localhost:3128", "only http is supported"),
        ("socks5://localhost:1080", "only http is supported"),
        ("http://localhost:3128/path", "has more than host and port"),
    ],
)
def test_a_url_of_no_proxy_is_refused(url: str, message: str):
    """A proxy that cannot be used is refused, and the message shows no account."""
    with pytest.raises(ValueError, match=message) as caught:
        Proxy.parse(url)
    assert "secret" not in str(caught.value)


def test_an_account_is_never_shown():
    """The account of a proxy is in no text about it."""
    settings = HttpSettings(proxy=PROXY)
    shown = f"{PROXY} {PROXY!r} {settings!r} {settings.as_dict()}"
    assert "http://***@localhost:3128" in shown
    assert "cret" not in shown
    assert "bG9hZDpzZSBjcmV0" not in shown


def test_a_tunnel_is_asked_for_with_the_account():
    """CONNECT names the target, and carries the account in Basic."""
    request = Tunnel(PROXY, "::1", 443).request
    assert request.startswith(b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n")
    assert b"\r\nProxy-Authorization: Basic bG9hZDpzZSBjcmV0\r\n" in request


@pytest.mark.parametrize("size", [1, 7, len(OK)])
def test_a_tunnel_opens_with_any_success(size: int):
    """The response to CONNECT may come in any pieces."""
    tunnel = Tunnel(PROXY, "api", 443)
    pieces = [OK[start : start + size] for start in range(0, len(OK), size)]
    assert [tunnel.feed(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (b"", "closed the connection without opening a tunnel"),
        (b"HTTP/1.1 407 Who\r\n\r\n", r"wants an account \(407 Who\): --proxy http://user"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\nno", "refuses a tunnel to api:443: 403 Forbidden"),
        (b"HTTP/1.0 502\r\n\r\n", "refuses a tunnel to api:443: 502"),
        (b"\x15\x03\x01", "does not answer like an HTTP proxy"),
        (b"SSH-2.0-x\r\n", "does not answer like an HTTP proxy"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "more than 65536 bytes of headers"),
        (OK + b"hello", "sends data before the tunnel is used"),
    ],
)
def test_a_refused_tunnel_is_an_error_of_the_proxy(response: bytes, message: str):
    """A proxy that refuses, closes or sends garbage is named with its answer."""
    with pytest.raises(ProxyError, match=message) as caught:
        Tunnel(PROXY, "api", 443).feed(response)
    failure = connect_failure(caught.value, "127.0.0.1", target("https://localhost"))
    assert failure.kind is ErrorKind.PROXY
    assert "localhost:3128" in failure.detail


def test_a_proxy_receives_the_url():
    """For http, the request line has the whole URL, and the account follows the host."""
    address = target("http://localhost:8000/v1", proxy=PROXY)
    exchange = Exchange(address.base_path, address.request_root)
    data = exchange.begin(Request("GET", "/x?q=1", "GET /x"), address.host_lines)
    assert data is not None
    assert data.startswith(b"GET http://localhost:8000/v1/x?q=1 HTTP/1.1\r\n")
    assert b"\r\nHost: localhost:8000\r\nProxy-Authorization: Basic " in data
    from_root = Request("GET", "/x", "GET /x", from_root=True)
    data = exchange.begin(from_root, address.host_lines)
    assert data is not None
    assert data.startswith(b"GET http://localhost:8000/x HTTP/1.1\r\n")
    secure = target("https://localhost:8443/v1", proxy=PROXY)
    assert (secure.request_root, secure.host_lines) == ("", b"localhost:8443")


def test_407_is_an_error_of_the_proxy():
    """The status 407 comes from a proxy only, and counts as such."""
    response = Response(Request("GET", "/x", "GET /x"), 407, b"", b"")
    failure = check_response(response)
    assert failure is not None
    assert failure.kind is ErrorKind.PROXY


@pytest.mark.parametrize(
    ("url", "proxy", "allowed", "refused"),
    [
        ("http://api.invalid", "http://localhost:1", [], "api.invalid is not this machine"),
        ("http://api.invalid", "http://localhost:1", ["api.invalid"], None),
        ("http://localhost", "http://192.0.2.1:1", [], "192.0.2.1 is not this machine"),
        ("http://localhost", "http://192.0.2.1:1", ["192.0.2.1"], None),
        ("http://192.0.2.1", "http://198.51.100.2:1", ["192.0.2.1"], "198.51.100.2 is not this"),
    ],
)
def test_target_and_proxy_are_under_the_rule(
    url: str, proxy: str, allowed: list[str], refused: str | None
):
    """Both the target and the proxy must be this machine, or allowed by name."""
    settings = HttpSettings(proxy=Proxy.parse(proxy))
    if refused is None:
        assert resolve(url, allowed, settings).connect_port == 1
        return
    with pytest.raises(UsageError, match=refused):
        resolve(url, allowed, settings)


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch):
    """The environment names no proxy for a load."""
    monkeypatch.setenv("http_proxy", "http://localhost:1")
    assert target("http://localhost:8000").connect_port == 8000


def test_a_proxy_that_does_not_resolve_is_a_target_error():
    """A proxy that is unknown is found before the load."""
    with pytest.raises(TargetError, match=r"proxy\.invalid does not resolve"):
        target("http://localhost", proxy=Proxy.parse("http://proxy.invalid"))


def test_settings_that_exclude_each_other_are_refused(tmp_path: Path):
    """A proxy and a socket file, or a proxy and a Host header, contradict each other."""
    with pytest.raises(UsageError, match=r"the socket .* or the proxy http://\*\*\*@localhost"):
        HttpSettings(proxy=PROXY, unix_socket=tmp_path / "app.sock")
    with pytest.raises(UsageError, match="sends the host of the URL, not the Host header"):
        target("http://localhost", proxy=PROXY, host_header="api")
