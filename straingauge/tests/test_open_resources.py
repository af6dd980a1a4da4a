"""Open files and sockets of a process, by kind, and the causes that name them."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from straingauge.diagnosis.location import CodeLocation, ProcessLocation
from straingauge.diagnosis.remaining import remaining_files, remaining_threads, waiting_threads
from straingauge.diagnosis.result_view import ResultView
from straingauge.observe import Observations
from straingauge.observe.open_resources import Remaining, inventory, remaining
from straingauge.result.assembly.service import cooldown
from straingauge.result.format.schema import schema, violation

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
MANY = 4


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Close what a test has opened."""
    with ExitStack() as stack:
        yield stack


def grown(before: Any) -> dict[str, int]:  # noqa: ANN401  an inventory
    """Return how much of each kind this process has opened since an inventory."""
    found = remaining(before, inventory([os.getpid()]))
    assert {each.pid for each in found} <= {os.getpid()}
    return {each.kind: each.after - each.before for each in found}


def test_files_are_named_by_path_or_folder(opened: ExitStack, tmp_path: Path):
    """A file that is open several times has its path, different files their folder."""
    before = inventory([os.getpid()])
    for n in range(MANY):
        opened.enter_context((tmp_path / f"{n}.tmp").open("w"))
    same, folder = tmp_path / "a" / "same.log", tmp_path / "a"
    folder.mkdir()
    for _ in range(MANY + 1):
        opened.enter_context(same.open("a"))
    (tmp_path / "0.tmp").unlink()
    assert grown(before) == {f"files in {tmp_path}": MANY, f"file {same}": MANY + 1}


def test_sockets_are_named_by_the_other_side(opened: ExitStack):
    """Outgoing connections have the address they go to; accepted ones are those of clients."""
    before = inventory([os.getpid()])
    server = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
    port = server.getsockname()[1]
    for _ in range(MANY):
        opened.enter_context(socket.create_connection(("127.0.0.1", port)))
        opened.enter_context(server.accept()[0])
    assert grown(before) == {f"sockets to 127.0.0.1:{port}": MANY, "connections of clients": MANY}


def test_threads_are_named_without_their_number(opened: ExitStack):
    """Threads have the name that the system knows; those without a name are not counted."""
    before = inventory([os.getpid()])
    stop = threading.Event()
    for n in range(MANY):
        thread = threading.Thread(target=stop.wait)
        thread.start()
        Path(f"/proc/self/task/{thread.native_id}/comm").write_text(f"mailer-{n}")
        opened.callback(thread.join)
    opened.callback(stop.set)  # is called first
    assert grown(before)["threads named mailer"] == MANY


def test_a_process_that_has_exited_is_left_out():
    """An inventory of a process that is gone is empty, and so is a comparison with it."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert inventory([process.pid]) == {}
    assert remaining({process.pid: {"pipes": 1}}, {}) == []


def test_the_result_has_what_remained():
    """The cooldown of a result has the kinds that grew, as its schema says."""
    found = cooldown(
        Observations(
            cooldown=[{"t_ns": 0}, {"t_ns": 10**9}],
            remaining=[Remaining(4711, "python", "files in /tmp", 2, 90)],
        )
    )
    definitions = schema("result-1")["definitions"]
    assert violation(found, {**definitions["cooldown"], "definitions": definitions}) is None
    view = ResultView({"resources": {"cooldown": found}})
    assert remaining_files(view) == (ProcessLocation("python", 4711, "88 more files in /tmp"),)


def test_files_and_threads_are_apart():
    """A leak of files names no threads, and connections of clients are no leak."""
    kinds = ("connections of clients", "threads named mailer", "sockets to 10.0.0.7:443")
    rows = [{"process": "p", "pid": 1, "kind": kind, "before": 0, "after": 50} for kind in kinds]
    view = ResultView({"resources": {"cooldown": {"remaining": rows}}})
    assert [each.resource for each in remaining_files(view)] == ["50 more sockets to 10.0.0.7:443"]
    assert [each.resource for each in remaining_threads(view)] == ["50 more threads named mailer"]


@pytest.mark.parametrize(
    ("samples", "found"),
    [(80, (CodeLocation("app/mail.py", 9, "wait_for_answer"),)), (12, ())],
)
def test_many_threads_at_one_line_name_it(samples: int, found: tuple[CodeLocation, ...]):
    """The profile shows the line in which threads wait, if they are more than an executor has."""
    line = {"file": "app/mail.py", "line": 9, "function": "wait_for_answer", "state": "thread"}
    lines = [{**line, "own_samples": samples}, {**line, "line": 3, "own_samples": 4}]
    view = ResultView({"profile": {"lines": lines, "snapshots": {"count": 8}}})
    assert waiting_threads(view) == found
