"""Workers whose parent has ended."""

import multiprocessing
import os
import signal
import threading

import pytest
from app.orphans import stop_with_parent


class Parent:
    """A parent process that ends when it is set."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def join(self) -> None:
        """Wait for the end."""
        assert self.ended.wait(60)


def test_worker_stops_after_its_parent(monkeypatch: pytest.MonkeyPatch):
    """A worker gets SIGTERM, thus finishes its requests, once its parent has ended."""
    sent: list[tuple[int, int]] = []
    parent = Parent()
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: parent)
    monkeypatch.setattr(os, "kill", lambda *arguments: sent.append(arguments))
    thread = stop_with_parent()
    assert thread is not None
    assert sent == []
    parent.ended.set()
    thread.join()
    assert sent == [(os.getpid(), signal.SIGTERM)]


def test_single_process_watches_no_parent(monkeypatch: pytest.MonkeyPatch):
    """A service without workers does not end with the process that started it."""
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: None)
    assert stop_with_parent() is None
