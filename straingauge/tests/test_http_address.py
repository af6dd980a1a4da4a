"""Addresses, and the hosts that the engine refuses to put under load."""

import socket
from pathlib import Path

import psutil
import pytest
from raw_server import answering, serve
from single_journey import run_journey
from straingauge.errors import TargetError, UsageError
from straingauge.http import ErrorKind, FilePart, Upload
from straingauge.http.address import connect_failure, resolve
from straingauge.http.own_address import is_own_address
from straingauge.http.settings import HttpSettings
from straingauge.journey import User
from straingauge.observe.process import is_here


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1:80", "http://[2001:db8::1]", "https://198.51.100.7/"]
)
def test_only_this_machine_is_loaded(url: str):
    """Load to another machine is refused before anything is sent, unless it is allowed."""
    with pytest.raises(UsageError, match="load goes only to hosts you may") as caught:
        run_journey(url)
    assert caught.value.exit_code == 2
    assert caught.value.hint is not None


def own_addresses() -> list[str]:
    """Return the addresses of all interfaces, without those that need a zone."""
    found = (each for addresses in psutil.net_if_addrs().values() for each in addresses)
    known = [each.address for each in found if each.family in (socket.AF_INET, socket.AF_INET6)]
    return [ip for ip in known if "%" not in ip]


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",  # noqa: S104  connected to, not bound to
        "::",
        "::1",
        "::ffff:127.0.0.1",
        *own_addresses(),
    ],
)
def test_own_addresses_are_this_machine(ip: str):
    """Loopback, "any address" and the addresses of interfaces need no permission."""
    host = f"[{ip}]" if ":" in ip else ip
    assert is_here(ip)
    assert resolve(f"http://{host}:8000").ips


@pytest.mark.parametrize("ip", ["198.51.100.7", "255.255.255.255", "224.0.0.1", "2001:db8::7"])
def test_other_addresses_are_not_this_machine(ip: str):
    """Addresses of other machines and of groups are not this machine."""
    assert not is_own_address(ip)
    assert not is_here(ip)


def test_an_allowed_host_is_allowed():
    """A host that is named may be loaded: its unroutable address times out, like any other."""
    host = "192.0.2.1"
    series, _ = run_journey(f"http://{host}", timeout_s=0.1, allowed_hosts=frozenset({host}))
    assert series.errors.total() == 1


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "ftp://localhost",
        "http://",
        "http://localhost:99999",
        "http://h/?q",
        "http://h/#f",
        "http://localhost/\udcff",
    ],
)
def test_a_url_without_sense_is_a_usage_error(url: str):
    """A base URL that cannot be loaded is refused with a word on how to write it."""
    with pytest.raises(UsageError):
        run_journey(url)


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("http://b\u00fccher:8000", b"xn--bcher-kva:8000"),
        ("http://www.B\u00dcCHER.example", b"www.xn--bcher-kva.example"),
        ("https://b\u00fccher:443", b"xn--bcher-kva"),
        ("http://[::1]:8000", b"[::1]:8000"),
        ("http://[fe80::1%eth0]:8000", b"[fe80::1]:8000"),
        ("http://[fe80::1%25eth0]", b"[fe80::1]"),
    ],
)
def test_an_international_name_is_sent_as_dns_has_it(
    url: str, header: bytes, monkeypatch: pytest.MonkeyPatch
):
    """The Host header has the name in ASCII, without a zone, and the port after it."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert resolve(url).host_header == header
    assert asked[0].isascii()


def test_a_name_that_cannot_be_one_is_a_usage_error():
    """A name that IDNA has no form of is refused before it is looked up."""
    with pytest.raises(UsageError, match="not the name of a host"):
        resolve("http://" + "\u00fc" * 70)


def test_a_name_that_does_not_resolve_is_a_target_error():
    """An unknown host is a target that cannot be reached, with a hint."""
    with pytest.raises(TargetError, match="does not resolve"):
        run_journey("http://nowhere.invalid")


def test_localhost_is_found_on_either_address():
    """If localhost is ::1 and 127.0.0.1, the one that a server listens on is used."""
    with serve(answering()) as server:
        series, report = run_journey(f"http://localhost:{server.port}")
    assert series.statuses[200] == 1
    assert report.connections == 1


@pytest.mark.parametrize("base", ["/base", "/base/", "/caf\u00e9 x", "/caf%C3%A9%20x"])
def test_a_base_path_precedes_each_path(base: str):
    """Requests, also uploads, go below the base path, and count under their own path."""

    def journey(user: User):
        yield user.get("/x?q=1")
        yield user.post("/y", json={"a": 1})
        yield user.post("/z", upload=Upload({"a": "b"}, {"f": FilePart(bytes(600_000))}))

    with serve(answering()) as server:
        run_journey(server.url + base, journey)
        run_journey(server.url, journey)
    sent = "/base" if "base" in base else "/caf%C3%A9%20x"
    targets = [each.target for each in server.requests]
    assert targets == [f"{sent}/x?q=1", f"{sent}/y", f"{sent}/z", "/x?q=1", "/y", "/z"]
    assert len(server.requests[2].body) > 600_000
    assert "Host: 127.0.0.1" in server.requests[0].head


@pytest.mark.parametrize(
    ("error", "proxy", "kind", "detail"),
    [
        (ConnectionResetError(), None, ErrorKind.TLS, "the server closed within the handshake"),
        (OSError(111, "Connect call failed"), "http://127.0.0.1:1", ErrorKind.PROXY, "refused"),
    ],
)
def test_a_failure_without_words_gets_them(
    error: OSError, proxy: str | None, kind: ErrorKind, detail: str
):
    """Asyncio has no text for a handshake that the server ends, and its own for other errors."""
    settings = HttpSettings.of({"proxy": proxy} if proxy else {}, Path())
    address = resolve("https://127.0.0.1", settings=settings)
    failure = connect_failure(error, "127.0.0.1", address)
    assert failure.kind is kind
    assert failure.detail.endswith(detail)
