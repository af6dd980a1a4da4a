"""The URL of a service if the session ends while the service is starting."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from stack_tools import write_stack_config
from straingauge.errors import TargetError
from straingauge.target import service_locator
from straingauge.target.service_locator import ServiceLocator


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
