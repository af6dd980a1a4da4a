"""The service's address when the session ends while the service is being started."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from stack_tools import write_stack_config
from straingauge.errors import TargetError
from straingauge.target import service_locator
from straingauge.target.service_locator import ServiceLocator


def test_closed_while_a_service_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A service that another thread was starting is stopped, and its address is not given."""
    monkeypatch.delenv("API_BASE_URL", raising=False)
    monkeypatch.setattr(service_locator, "refused", lambda _: "Connection refused")
    begun, closed = Event(), Event()
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if text == "starting the service":
            begun.set()
            assert closed.wait(60)

    locator = ServiceLocator(None, say, option="--host")
    file = write_stack_config(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(locator.find, str(file))
        assert begun.wait(60), said
        locator.close()
        closed.set()
        with pytest.raises(TargetError, match="the session ended before the service was started"):
            found.result(60)
