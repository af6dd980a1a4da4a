"""Requests through a proxy or a socket file, in the engine and for Locust users alike."""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from http_proxy import DELAY_S, proxying
from locust_caller import RUN_JOURNEY, Locust
from raw_server import Peer, Server, serve, speaking_tls
from single_journey import run_journey
from straingauge.http import ErrorKind
from straingauge.http.proxy import Proxy
from straingauge.http.settings import HttpSettings
from straingauge.journey import User
from straingauge.observe.process import ServiceProcesses
from straingauge.target.service_locator import refused


@dataclass
class Services:
    """A service over TLS, one on a socket file, and a proxy."""

    secure: Server
    path: Path
    proxy: Server
    ca_file: Path

    @property
    def proxied(self) -> dict[str, object]:
        """Settings of requests through the proxy, as in [http]."""
        url = f"http://load:secret@127.0.0.1:{self.proxy.port}"
        return {"proxy": url, "ca_file": str(self.ca_file)}


def late(peer: Peer) -> None:
    """Answer after a known delay."""
    while peer.read() is not None:
        time.sleep(DELAY_S)
        peer.answer()


@pytest.fixture(scope="module")
def services(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The servers of this module."""
    path = tmp_path_factory.mktemp("socket") / "app.sock"
    with (
        serve(late, speaking_tls(certificate)) as secure,
        serve(late, path=path),
        serve(proxying) as proxy,
    ):
        yield Services(secure, path, proxy, Path(f"{certificate}.crt"))


def ten_requests(user: User):
    """Ten requests on one connection."""
    for _ in range(10):
        yield user.get("/x")


@pytest.mark.serial  # compares measured times with known ones
@pytest.mark.parametrize("way", ["tunnel", "url", "socket"])
def test_each_way_tells_the_time_of_the_service(services: Services, way: str):
    """The median through a tunnel, a proxy and a socket file is the delay of the service."""
    settings = HttpSettings.of(services.proxied, Path())
    url = f"https://localhost:{services.secure.port}"
    if way == "socket":
        settings, url = HttpSettings(unix_socket=services.path), "http://localhost"
    elif way == "url":
        url = "http://localhost:1"  # the proxy alone knows where that is
    series, stats = run_journey(url, ten_requests, http=settings)
    assert (dict(series.errors), series.statuses[200]) == ({}, 10)
    assert stats.connections == 1
    assert DELAY_S <= (series.service.quantile_ns(0.5) or 0) / 1e9 <= 1.5 * DELAY_S


def test_a_locust_user_takes_the_same_ways(services: Services, caller: Locust):
    """Requests of Locust users go through a tunnel, a proxy and a socket file as well."""
    tls = f"https://localhost:{services.secure.port}"
    get = 'return client.get("/v?q=1").text'
    through_url = caller.call("http://localhost:1/base", get, http=services.proxied)
    tunnelled = caller.call(tls, get, http=services.proxied)
    local = caller.call("http://localhost", get, http={"unix_socket": str(services.path)})
    assert through_url.value == "http://localhost:1/base/v?q=1"
    assert (tunnelled.value, local.value) == ("{}", "{}")


@pytest.mark.parametrize("is_tls", [True, False])
def test_a_proxy_without_the_account_is_an_error_of_the_proxy(
    services: Services, caller: Locust, *, is_tls: bool
):
    """A proxy that asks for an account counts as such, in engine and Locust."""
    url = f"https://localhost:{services.secure.port}" if is_tls else "http://localhost:1"
    proxy = f"http://127.0.0.1:{services.proxy.port}"
    series, _ = run_journey(url, http=HttpSettings(proxy=Proxy.parse(proxy)))
    outcome = caller.call(url, RUN_JOURNEY, http={"proxy": proxy})
    assert dict(series.errors) == outcome.failures == {ErrorKind.PROXY: 1}


def test_a_proxy_that_is_not_there_is_named():
    """A proxy that refuses the connection is an error with its name, in probe and load."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and does not listen
        name = f"127.0.0.1:{free.getsockname()[1]}"
        settings = HttpSettings(proxy=Proxy.parse(f"http://{name}"))
        series, _ = run_journey("http://localhost:1", http=settings)
        refusal = refused("http://localhost:1", settings)
    assert dict(series.errors) == {ErrorKind.PROXY: 1}
    assert f"connecting to the proxy {name}: Connection refused" in series.examples[0].detail
    assert refusal is not None
    assert name in refusal.reason


def test_a_missing_socket_file_is_named(tmp_path: Path, caller: Locust):
    """A socket file that does not exist, and one without a listener, have clear errors."""
    path = tmp_path / "no.sock"
    settings = HttpSettings(unix_socket=path)
    series, _ = run_journey("http://localhost", http=settings)
    outcome = caller.call("http://localhost", RUN_JOURNEY, http={"unix_socket": str(path)})
    assert dict(series.errors) == outcome.failures == {ErrorKind.NO_SOCKET: 1}
    assert f"{path}: there is no such socket file" in series.examples[0].detail
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        series, _ = run_journey("http://localhost", http=settings)
    assert dict(series.errors) == {ErrorKind.REFUSED: 1}
    assert "nothing listens" in series.examples[0].detail


def test_the_process_behind_a_socket_file_is_found(services: Services):
    """The observer finds the process that listens at a socket file."""
    url = HttpSettings(unix_socket=services.path).listening_url("http://localhost")
    root = ServiceProcesses(url).root
    assert root is not None
    own = psutil.Process()
    assert root.pid in {own.pid, *(each.pid for each in own.parents())}


def test_the_settings_of_a_probe_are_those_of_the_load(services: Services):
    """Before the load, the service is probed through the proxy or the socket file."""
    settings = HttpSettings.of(services.proxied, Path())
    assert refused(f"https://localhost:{services.secure.port}", settings) is None
    assert refused("http://localhost", HttpSettings(unix_socket=services.path)) is None
