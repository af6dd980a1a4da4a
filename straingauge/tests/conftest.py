"""What tests of several subjects ask for by name."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import uvloop
from serving import certified


@pytest.fixture(scope="session")
def _first_loop() -> None:
    """The first loop of a process opens a pipe that stays, whatever is played."""
    uvloop.new_event_loop().close()


@pytest.fixture
def nothing_left_open(_first_loop: None) -> Iterator[None]:
    """However a connection ends, its file descriptor is closed when the run is over."""
    before = psutil.Process().num_fds()
    yield
    assert psutil.Process().num_fds() == before


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost."""
    return certified(tmp_path_factory.mktemp("tls") / "localhost.pem", "localhost")
