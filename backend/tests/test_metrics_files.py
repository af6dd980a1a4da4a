"""The files of metrics: full disks, foreign directories, and processes that share them."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from app import metrics, metrics_files
from app.metrics import record_request, render
from app.metrics_files import FILES
from app.shared_directory import SharedDirectory, service_directory
from service import BACKEND, Service
from small_disk import CannotMount, fill, small_disk
from test_metrics import numbers


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for the metrics of all tests in this process."""
    try:
        with small_disk(tmp_path / "disk", 8 * 1024 * 1024) as folder:
            yield folder
    except CannotMount as error:
        pytest.skip(f"no small disk: {error}")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry after an error at once."""
    monkeypatch.setattr(metrics_files, "RETRY_AFTER_S", 0.0)


def counted(route: str) -> float:
    """Return the requests of a route in /metrics."""
    rows = numbers(render(None).decode(), "http_requests_total")
    return rows.get(f'method="GET",route="{route}",status="200"', 0.0)


def request(route: str, times: int = 1) -> None:
    """Count requests of a route."""
    for _ in range(times):
        record_request("GET", route, 200, 0.001)


def test_full_disk_loses_metrics_only(disk: Path, caplog: pytest.LogCaptureFixture):
    """On a full disk the metrics are lost, which is said once; they return when there is space."""
    filler = fill(disk)
    with FILES.open_in(disk / "metrics"):
        request("/full", 500)
        text = render(None).decode()
        assert numbers(text, "metrics_writable") == {"": 0}
        assert numbers(text, "process_resident_memory_bytes").keys() == {f'pid="{os.getpid()}"'}
        said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert len(said) == 1
        assert str(disk / "metrics") in said[0]
        assert "No space left on device" in said[0]
        assert "METRICS_DIR" in said[0]
        filler.unlink()
        request("/full")
        assert counted("/full") == 501
    assert not (disk / "metrics").exists()


def test_disk_that_becomes_full_loses_metrics_only(disk: Path):
    """A disk that becomes full while metrics are written neither ends nor damages anything."""
    with FILES.open_in(disk / "metrics"):
        request("/before", 3)
        filler = fill(disk)
        for number in range(30):  # more than the last pages of the files can hold
            request(f"/during/{number}")
        assert numbers(render(None).decode(), "metrics_writable") == {"": 0}
        filler.unlink()
        with (disk / "metrics" / "unrelated").open("wb") as file:
            file.write(bytes(1024))
    assert (disk / "metrics" / "unrelated").exists()


def test_service_survives_a_full_directory_of_temporary_files(
    disk: Path, serve: Callable[..., Service]
):
    """A service whose temporary directory is full starts and responds."""
    fill(disk)
    service = serve(METRICS_DIR=str(disk), TMPDIR=str(disk))
    for number in range(20):
        assert httpx2.get(f"{service.url}/nowhere/{number}").status_code == 404
    response = httpx2.get(f"{service.url}/metrics")
    assert response.status_code == 200
    assert numbers(response.text, "metrics_writable") == {"": 0}
    assert service.output().count("metrics cannot be written") == 1


@pytest.mark.parametrize("obstacle", ["file", "missing"])
def test_directory_that_cannot_be_made_loses_metrics_only(
    tmp_path: Path, obstacle: str, caplog: pytest.LogCaptureFixture
):
    """A directory of metrics that cannot be created is retried, and is no error of a request."""
    parent = tmp_path / "parent"
    if obstacle == "file":
        parent.write_text("a file")
    else:
        parent.symlink_to(tmp_path / "nowhere" / "else")
    with FILES.open_in(parent / "metrics"):
        request("/obstacle")
        assert numbers(render(None).decode(), "metrics_writable") == {"": 0}
        assert len(caplog.records) == 1
        parent.unlink()
        request("/obstacle")
        assert numbers(render(None).decode(), "metrics_writable") == {"": 1}


def test_deleted_directory_is_created_again(tmp_path: Path):
    """Files that a cleaner of temporary files deletes are written again with all their values."""
    with FILES.open_in(tmp_path / "metrics"):
        request("/deleted")
        before = counted("/deleted")
        shutil.rmtree(tmp_path / "metrics")
        request("/deleted")
        render(None)
        request("/deleted")
        assert counted("/deleted") == before + 2


def test_damaged_file_hides_metrics_only(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """A damaged file in the directory of metrics is logged; /metrics responds without it."""
    with FILES.open_in(tmp_path / "metrics"):
        before = metrics.background_metrics.last_runs()
        (tmp_path / "metrics" / "counter_1.db").write_bytes(b"\x01")
        assert numbers(render(None).decode(), "process_resident_memory_bytes")
        assert "cannot be read" in caplog.text
        assert metrics.background_metrics.last_runs() == before


def test_counters_continue_from_an_earlier_process(tmp_path: Path):
    """Counters of a process that takes the place of an earlier one continue from its values."""
    other = SharedDirectory(tmp_path / "metrics")
    other.join()
    with FILES.open_in(tmp_path / "metrics", name="worker"):
        request("/continued", 2)
        first = counted("/continued")
    script = (
        "import sys; from pathlib import Path; from app.metrics_files import FILES\n"
        "from app.metrics import record_request\n"
        "with FILES.open_in(Path(sys.argv[1]), name='worker'):\n"
        "    record_request('GET', '/continued', 200, 0.001)\n"
    )
    directory = str(tmp_path / "metrics")
    subprocess.run([sys.executable, "-c", script, directory], cwd=BACKEND, check=True)
    with FILES.open_in(tmp_path / "metrics", name="reader"):
        own = first  # this process writes its own counters once more, under the other name
        assert counted("/continued") == first + 1 + own
    other.leave()
    assert not (tmp_path / "metrics").exists()


class TestForeignFiles:
    """Files of other programs and users in the directory for temporary files."""

    @pytest.mark.parametrize("name", ["therapybridge-", "therapybridge-metrics-0-x-y", "other"])
    def test_foreign_directories_are_left_alone(self, tmp_path: Path, name: str):
        """A directory of a similar name does not stop the start and is not removed."""
        (tmp_path / name).mkdir()
        (tmp_path / name / "lock").touch()
        with FILES.open_in(service_directory(tmp_path)):
            assert FILES.is_writable
        assert (tmp_path / name / "lock").exists()

    def test_directory_with_other_files_is_left_alone(self, tmp_path: Path):
        """A directory of the exact form that contains something else is not removed."""
        foreign = tmp_path / ("therapybridge-" + "0" * 16)
        foreign.mkdir()
        for name in ("lock", "letter"):
            (foreign / name).touch()
        with FILES.open_in(service_directory(tmp_path)):
            assert FILES.is_writable
        assert (foreign / "letter").exists()

    def test_directory_of_a_running_service_is_kept(self, tmp_path: Path):
        """A directory that a process uses is kept; one of a killed service is removed."""
        used, unused = (tmp_path / f"therapybridge-{digit * 16}" for digit in "01")
        running = SharedDirectory(used)
        running.join()
        killed = SharedDirectory(unused)
        killed.join()
        (unused / "counter_1.db").touch()
        killed._release()
        with FILES.open_in(service_directory(tmp_path)):
            assert FILES.is_writable
            assert (used.exists(), unused.exists()) == (True, False)
        running.leave()
        assert list(tmp_path.iterdir()) == []

    def test_place_taken_by_a_link_is_not_used(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ):
        """A symbolic link in the place of the directory is not followed."""
        (tmp_path / "victim").mkdir()
        place = service_directory(tmp_path)
        place.symlink_to(tmp_path / "victim")
        caplog.set_level(logging.ERROR)
        with FILES.open_in(place):
            assert not FILES.is_writable
        assert list((tmp_path / "victim").iterdir()) == []
