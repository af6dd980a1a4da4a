"""The main thread of an event loop is seen in a blocking call, in any language."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stack_tools import eventually
from straingauge.observe import Observations, Sample
from straingauge.observe import loop_threads as loop_threads_module
from straingauge.observe.loop_threads import LoopThreads
from straingauge.result.assembly.service import service as compose_service

PYTHON = """
import asyncio, sys, time
async def main():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("ready", flush=True)
    await reader.readline()
    print("blocks", flush=True)
    time.sleep(600)
asyncio.run(main())
"""
NODE = """
process.stdin.once("data", () => {
  console.log("blocks");
  require("child_process").execSync("sleep 600");
});
console.log("ready");
"""


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program that waits for a line, and then blocks."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def may_look() -> bool:
    """The calls in which the threads of other processes sleep may be read here."""
    with running(sys.executable, "-c", PYTHON) as process:
        return LoopThreads()._call(process.pid) is not None


@pytest.mark.parametrize(
    "command",
    [
        pytest.param((sys.executable, "-c", PYTHON), id="asyncio"),
        pytest.param(
            ("node", "-e", NODE),
            id="node",
            marks=pytest.mark.skipif(shutil.which("node") is None, reason="no node"),
        ),
    ],
)
@pytest.mark.skipif(not Path("/proc/self/syscall").exists(), reason="no /proc/PID/syscall")
def test_a_blocking_call_is_seen(command: tuple[str, ...]):
    """A loop that sleeps in another call, or in the loop of a child process, counts as blocked."""
    if not may_look():
        pytest.skip("the calls of other processes may not be read")
    with running(*command) as process:
        threads = LoopThreads()

        def waits_for_events() -> bool:
            threads.begin([process.pid])
            return threads.sample([process.pid]) != {}

        assert eventually(waits_for_events)
        assert threads.sample([process.pid])["loop_thread_blocked"] == 0
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "blocks\n"
        assert eventually(lambda: threads.sample([process.pid])["loop_thread_blocked"] >= 3)


def calls(folder: Path, **texts: str) -> None:
    """Write the calls of processes as the kernel shows them."""
    for name, text in texts.items():
        (folder / name[1:]).mkdir(exist_ok=True)
        (folder / name[1:] / "syscall").write_text(text + "\n")


def test_only_threads_that_wait_for_events_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A thread that computes is not blocked, and one that waits for a lock when idle is no loop."""
    monkeypatch.setattr(loop_threads_module.platform, "machine", lambda: "x86_64")
    threads = LoopThreads(tmp_path)
    calls(tmp_path, p1="281 0xe 0x7ffd 0x400", p2="202 0x55 0x189", p3="232 0x5 0x7f")
    threads.begin([1, 2, 3, 4])
    for one in ("281 0xe 0x7ffd 0x400", "running", "202 0x55 0x80", "281 0x12 0x7ffd"):
        calls(tmp_path, p1=one, p2="1 0x1", p3="-1 0x7ffd 0x55")
        sample = threads.sample([1, 2, 3, 4])
    assert sample == {"loop_thread_samples": 4, "loop_thread_blocked": 2}
    threads.begin([2, 4])
    assert threads.sample([2, 4]) == {}


def test_a_loop_that_was_busy_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The loop of a process that ran at the start is the one that was opened first."""
    monkeypatch.setattr(loop_threads_module.platform, "machine", lambda: "x86_64")
    threads = LoopThreads(tmp_path)
    calls(tmp_path, p1="running")
    threads.begin([1])
    for one in ("281 0x12 0x7ffd", "281 0x12 0x7ffd", "281 0xe 0x7ffd"):
        calls(tmp_path, p1=one)
        sample = threads.sample([1])
    assert sample == {"loop_thread_samples": 3, "loop_thread_blocked": 2}


def test_the_share_of_blocked_looks_in_a_result():
    """The result has the looks of the load and their blocked share; nothing without a loop."""
    counts: list[Sample] = [
        {"t_ns": n * 5e8, "loop_thread_samples": 2 * n, "loop_thread_blocked": n} for n in range(9)
    ]
    found = compose_service(Observations(counts), 10)
    assert found["loop_thread"] == {"samples": 16, "blocked_share": 0.5}
    assert "loop_thread" not in compose_service(Observations([{"t_ns": 0}]), 10)
