"""The URL of a service: given, found at the default URL, or started."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest
from stack_tools import write_stack_config
from straingauge.errors import TargetError, UsageError
from straingauge.http.settings import HttpSettings
from straingauge.target import service_locator
from straingauge.target.service_locator import ServiceLocator, find_stack


def test_close_while_a_service_is_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A service that another thread is starting is stopped, and its URL is not returned."""
    monkeypatch.delenv("API_BASE_URL", raising=False)
    monkeypatch.setattr(service_locator, "refused", lambda _: "Connection refused")
    starting, closed = Event(), Event()
    messages: list[str] = []

    def say(text: str) -> None:
        messages.append(text)
        if text == "starting the service":
            starting.set()
            assert closed.wait(60)

    locator = ServiceLocator(None, say, option="--host")
    file = write_stack_config(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(locator.find, file)
        assert starting.wait(60), messages
        locator.close()
        closed.set()
        with pytest.raises(TargetError, match="the session ended before the service was started"):
            found.result(60)


class Handler(BaseHTTPRequestHandler):
    """Answers GET / with 200, and everything else with 404."""

    def do_GET(self) -> None:
        """Answer by the path."""
        self.send_response(200 if self.path == "/" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write nothing to stderr."""


@pytest.fixture
def default_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The default URL, at which a service listens."""
    monkeypatch.delenv("API_BASE_URL", raising=False)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(service_locator, "DEFAULT_URL", url)
    yield url
    server.shutdown()
    thread.join()
    server.server_close()


def test_default_url_must_be_named_without_a_configuration(default_url: str, tmp_path: Path):
    """Whatever listens at the default URL gets no load unless a straingauge.toml describes it."""
    locator = ServiceLocator(None, pytest.fail, option="--host")
    with pytest.raises(UsageError, match="no service is named") as error:
        locator.find(tmp_path / "journeys.py")
    assert error.value.hint == f"if it is, name it: --host {default_url}"
    named = ServiceLocator(default_url, pytest.fail, option="--host")
    assert named.find(tmp_path / "journeys.py") == default_url


def test_default_url_is_used_if_its_service_is_ready(default_url: str, tmp_path: Path):
    """The described service is used where it runs: its readiness path answers with 200."""
    file = write_stack_config(tmp_path)
    assert ServiceLocator(None, pytest.fail, option="--host").find(file) == default_url


def test_another_service_at_the_default_url_is_left_alone(default_url: str, tmp_path: Path):
    """If something else listens at the default URL, the described service is started."""
    file = write_stack_config(tmp_path)
    file.write_text(file.read_text().replace("[service]", '[service]\nready = "/elsewhere"'))
    messages: list[str] = []
    locator = ServiceLocator(None, messages.append, option="--host")
    try:
        found = locator.find(file)
    except TargetError:  # the tiny service does not know that path either
        found = None
    finally:
        locator.close()
    assert found != default_url
    assert messages[0].startswith(f"{default_url} is not this service, or not ready (GET ")
    assert "/elsewhere: status 404): starting what " in messages[0]


@pytest.mark.usefixtures("default_url")
def test_readiness_is_asked_for_as_the_options_say(tmp_path: Path):
    """With --http2-prior-knowledge, a service that speaks HTTP/1.1 alone is not ready."""
    file = write_stack_config(tmp_path, within_s=1)
    messages: list[str] = []
    http = HttpSettings(http2="prior-knowledge")
    locator = ServiceLocator(None, messages.append, option="--host", http=lambda: http)
    with pytest.raises(TargetError, match=r"not ready within 1 s .*, not HTTP/2"):
        locator.find(file)
    assert ", not HTTP/2" in messages[0]


def test_https_at_a_port_without_tls_is_refused(default_url: str, tmp_path: Path):
    """A URL with https at a port that serves plain HTTP is an error before any load."""
    url = default_url.replace("http:", "https:")
    locator = ServiceLocator(url, pytest.fail, option="--host")
    with pytest.raises(TargetError, match="the TLS handshake failed"):
        locator.find(tmp_path / "journeys.py")


def test_a_file_that_only_says_how_to_reach_a_service_describes_none(tmp_path: Path):
    """A straingauge.toml with [http] alone is no service to start: the error asks for its URL."""
    (tmp_path / "straingauge.toml").write_text('[http]\nserver_name = "api"\n')
    assert find_stack(tmp_path / "journeys.py") is None
    (tmp_path / "straingauge.toml").write_text('[service]\ncommand = ["x"]\n')
    assert find_stack(tmp_path / "journeys.py") == tmp_path / "straingauge.toml"
