"""Workers whose parent has ended."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from app.orphans import stop_with_parent


class Parent:
    """A parent process that ends when it is set, seen by a system without handles of processes."""

    pid = 1

    def __init__(self) -> None:
        self.ended = threading.Event()

    def join(self) -> None:
        """Wait for the end."""
        assert self.ended.wait(60)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Signals that were sent."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *arguments: sent.append(arguments))
    return sent


def test_worker_stops_after_its_parent(
    monkeypatch: pytest.MonkeyPatch, sent: list[tuple[int, int]]
):
    """A worker gets SIGTERM, thus finishes its requests, once its parent has ended."""
    parent = Parent()
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: parent)
    thread = stop_with_parent()
    assert thread is not None
    assert sent == []
    parent.ended.set()
    thread.join()
    assert sent == [(os.getpid(), signal.SIGTERM)]


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="no handles of processes here")
def test_worker_notices_the_end_whoever_holds_its_pipe(
    monkeypatch: pytest.MonkeyPatch, sent: list[tuple[int, int]]
):
    """A worker stops when the process has ended, without waiting for the parent's pipe."""
    process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    parent = SimpleNamespace(pid=process.pid)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: parent)
    thread = stop_with_parent()
    assert thread is not None
    assert sent == []
    process.communicate()
    thread.join()
    assert sent == [(os.getpid(), signal.SIGTERM)]


def test_single_process_watches_no_parent(monkeypatch: pytest.MonkeyPatch):
    """A service without workers does not end with the process that started it."""
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: None)
    assert stop_with_parent() is None
