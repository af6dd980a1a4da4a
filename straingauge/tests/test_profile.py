"""Stacks of a service: read, folded onto its own code, counted and summarized."""

import asyncio
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from straingauge.inside.probe import sitecustomize
from straingauge.profile.collected_stacks import CollectedStacks
from straingauge.profile.own_code import Frame, OwnCode
from straingauge.profile.py_spy import explain
from straingauge.profile.silence import Silence
from straingauge.profile.stacks import (
    Snapshot,
    Stack,
    read_dump,
    read_probe,
    read_raw,
    thread_name,
    waits_for_work,
)
from straingauge.profile.summary import MAX_LINES, MAX_STACKS, summarize
from straingauge.result.format.profile import Profile
from straingauge.result.format.schema import schema, violation

OWN = OwnCode("/srv/shop", ["python", "-m", "uvicorn", "shop.main:app"])
LIB = "/usr/lib/python3.12"
RUN = Frame(f"{LIB}/asyncio/runners.py", 118, "Runner.run")
SERVE = Frame("/srv/shop/serve.py", 9, "main")
SERVER = Frame("/venv/lib/python3.12/site-packages/uvicorn/protocol.py", 5, "run_asgi")
PRICES = Frame("/srv/shop/prices.py", 31, "total")
JSON = Frame(f"{LIB}/json/encoder.py", 200, "encode")
BOOT = Frame(f"{LIB}/threading.py", 1002, "Thread._bootstrap")
WAIT = Frame(f"{LIB}/threading.py", 359, "Condition.wait")
POOL = Frame(f"{LIB}/concurrent/futures/thread.py", 58, "_WorkItem.run")


def collected() -> CollectedStacks:
    """Return an empty collection for one process."""
    return CollectedStacks({1: OWN})


def summary(stacks: CollectedStacks) -> Profile:
    """Return the profile of these stacks."""
    return summarize(
        stacks, names={1: "python"}, rate_hz=100, duration_s=5.0, cpu_s=0.1, load_s=10.0
    )


@pytest.mark.parametrize(
    ("file", "is_own"),
    [
        ("/srv/shop/prices.py", True),
        ("/home/me/other/module.py", True),
        ("/srv/shop/.venv/lib/python3.12/site-packages/uvicorn/main.py", False),
        ("/srv/shop/.venv/lib/python3.12/site-packages/shop/main.py", True),
        ("/usr/lib/python3/dist-packages/yaml/loader.py", False),
        ("/usr/lib/python3.12/asyncio/events.py", False),
        ("<frozen runpy>", False),
        ("<string>", False),
    ],
)
def test_own_code_is_what_is_not_installed_or_named_by_the_command(
    file: str, *, is_own: bool
) -> None:
    """Files in site-packages are a library's, except those of the package that is served."""
    assert OWN.owns(file) is is_own


def test_paths_are_relative_to_the_repository(tmp_path: Path) -> None:
    """A file is shown relative to the root of its git repository, a library's by its package."""
    (tmp_path / ".git").mkdir()
    own = OwnCode(str(tmp_path / "backend"))
    assert own.shown(f"{tmp_path}/backend/app/main.py") == "backend/app/main.py"
    assert own.shown("app/main.py") == "backend/app/main.py"
    assert own.shown("/venv/lib/python3.12/site-packages/uvicorn/main.py") == "uvicorn/main.py"
    assert own.shown("/usr/lib/python3.12/json/encoder.py") == "json/encoder.py"


def test_samples_of_py_spy_are_read_with_their_threads() -> None:
    """Each line of py-spy is a stack; damaged lines and sleeping threads are skipped."""
    text = (
        "thread (11): MainThread;main (/srv/shop/serve.py:9);total (/srv/shop/prices.py:31) 130\n"
        "thread (12): pool_3;work (/srv/shop/a;b.py 7\nthread (13): sleeper;nap (/srv/x.py:1) 90\n"
        "thread (0x7F): AnyIO worker thread;<module> (/srv/x.py:2) 3\nnothing\n"
    )
    stacks = read_raw(text, {11: 1.2, 13: 0.0}, 100)
    assert Stack("MainThread", (SERVE, PRICES), 130) in stacks
    assert {stack.thread for stack in stacks} == {"MainThread", "pool", "AnyIO worker thread"}


def test_threads_of_a_pool_share_one_name() -> None:
    """Numbers at the end of the names of threads are removed."""
    assert thread_name("ThreadPoolExecutor-0_12") == "ThreadPoolExecutor"
    assert thread_name("Thread-7 (serve)") == "Thread (serve)"
    assert thread_name("MainThread") == "MainThread"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"threads": 1}', '{"threads": [], "tasks": 3}'])
def test_garbage_is_no_snapshot(text: str) -> None:
    """A probe that answers with something else gives a ValueError."""
    with pytest.raises(ValueError, match=r"snapshot|Expecting"):
        read_probe(1, text)


def test_dumps_of_py_spy_are_read() -> None:
    """A dump has its frames from the innermost; a snapshot from the outermost."""
    frames = [
        {"name": each.function, "filename": each.file, "line": each.line}
        for each in (PRICES, SERVE)
    ]
    snapshot = read_dump(1, json.dumps([{"thread_name": None, "frames": frames}]))
    assert snapshot == Snapshot(1, (Stack("MainThread", (SERVE, PRICES)),))


@pytest.mark.parametrize(
    ("frames", "waits"),
    [
        ((SERVE, RUN), True),
        ((SERVE, RUN, SERVER, PRICES), False),
        ((BOOT, WAIT), True),
        ((BOOT, POOL, PRICES, WAIT), False),
        ((BOOT, PRICES, WAIT), True),
        ((BOOT, PRICES), False),
    ],
)
def test_threads_without_work_are_recognised(frames: tuple[Frame, ...], *, waits: bool) -> None:
    """An idle event loop, pool or loop of a thread waits for work; a waiting request does not."""
    assert waits_for_work(Stack("t", frames), OWN) is waits


def test_libraries_count_for_the_line_that_calls_them() -> None:
    """Time in a library is that of the nearest line of the service's own code."""
    stacks = collected()
    stacks.add_running(1, [Stack("MainThread", (SERVE, RUN, SERVER, PRICES, JSON), 70)])
    stacks.add_running(1, [Stack("MainThread", (SERVE, RUN, SERVER), 30)])
    lines = {line["file"]: line for line in summary(stacks)["lines"]}
    assert lines["/srv/shop/prices.py"]["own_samples"] == 70
    assert "/srv/shop/serve.py" not in lines or lines["/srv/shop/serve.py"]["own_samples"] == 0


def test_tasks_of_requests_count_and_background_tasks_do_not() -> None:
    """Tasks that begin in the service's own code are no requests, unless there are no others."""
    asleep = Frame(f"{LIB}/asyncio/tasks.py", 649, "sleep")
    request = Stack("", (SERVER, PRICES, asleep), 3)
    background = Stack("", (SERVE, asleep))
    stacks = collected()
    stacks.add_snapshots([Snapshot(1, (), (request, background))], t_s=1.0, silent_ms=400)
    found = summary(stacks)
    assert [(each["file"], each["own_samples"], each["snapshots"]) for each in found["lines"]] == [
        ("/srv/shop/prices.py", 3, 1)
    ]
    assert found["stalls"][0]["tasks"][0]["line"] == PRICES.line
    assert found["snapshots"] == {"count": 1, "tasks_visible": True}


def test_lines_of_one_function_are_in_one_snapshot() -> None:
    """Threads of two processes in different lines of a function are one snapshot of it."""
    later = PRICES._replace(line=PRICES.line + 1)
    stacks = CollectedStacks({1: OWN, 2: OWN})
    of_both = [Snapshot(1, (Stack("a", (PRICES,)), Stack("b", (later,))), ())]
    of_both.append(Snapshot(2, (Stack("a", (later,)),), ()))
    for t_s in (1.0, 2.0):
        stacks.add_snapshots(of_both, t_s=t_s, silent_ms=None)
    assert {line["snapshots"] for line in summary(stacks)["lines"]} == {2}


def test_what_waits_without_load_serves_no_request() -> None:
    """Threads and tasks that wait as before the load are not counted, but more of them are."""
    waiting = Stack("", (SERVER, PRICES, WAIT), 2)
    worker = Stack("consumer", (BOOT, SERVE, Frame("/srv/shop/queue_client.py", 5, "poll")))
    stacks = collected()
    stacks.add_idle(Snapshot(1, (worker,), (waiting,)))
    stacks.add_snapshots([Snapshot(1, (worker,), (waiting,))], t_s=1.0, silent_ms=None)
    assert summary(stacks)["lines"] == []
    more = replace(waiting, count=5, lasting=4)
    stacks.add_snapshots([Snapshot(1, (worker,), (more,))], t_s=1.1, silent_ms=None)
    (line,) = summary(stacks)["lines"]
    assert (line["function"], line["own_samples"], line["lasting_samples"]) == ("total", 3, 2)


def test_profile_is_bounded_and_fits_its_schema() -> None:
    """However many lines a service has, the profile keeps the heaviest, and fits the schema."""
    stacks = collected()
    many = [
        Stack("MainThread", (SERVER, Frame("/srv/shop/x.py", n, "f")), n) for n in range(1, 999)
    ]
    stacks.add_running(1, many)
    found = summary(stacks)
    assert (len(found["lines"]), len(found["stacks"])) == (MAX_LINES, MAX_STACKS)
    assert found["lines"][0]["line"] == 998
    assert found["cost"] == {"cpu_percent": 1.0}
    of = schema("result-1")
    assert (
        violation(found, {**of["definitions"]["profile"], "definitions": of["definitions"]}) is None
    )


def test_silence_is_a_stall_once_and_only_if_it_is_unusual() -> None:
    """A pause is reported once, and not where answers are rare anyway."""
    busy, rare = Silence(0.0), Silence(0.0)
    assert [busy.stall_ms(t / 10, min(t, 10)) for t in range(1, 11)] == [None] * 10
    assert busy.stall_ms(1.2, 10) is None
    assert busy.stall_ms(2.1, 10) == 1100
    assert busy.stall_ms(2.2, 10) is None
    assert rare.stall_ms(1.0, 1) is None
    assert rare.stall_ms(3.0, 1) is None


def test_probe_shows_where_tasks_and_threads_wait() -> None:
    """A snapshot has the line at which tasks wait, with their number, and the stacks of threads."""
    found: list[bytes] = []

    async def request(lock: asyncio.Semaphore) -> None:
        async with lock:
            await asyncio.sleep(60)

    async def main() -> None:
        lock = asyncio.Semaphore(1)
        tasks = [asyncio.create_task(request(lock)) for _ in range(4)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        sitecustomize.snapshot()
        looking = threading.Thread(
            target=lambda: found.append(json.dumps(sitecustomize.snapshot()).encode())
        )
        looking.start()
        looking.join()
        for task in tasks:
            task.cancel()

    asyncio.run(main())
    snapshot = read_probe(1, found[0])
    assert snapshot.tasks is not None
    own = OwnCode(str(Path(__file__).parent))
    waiting = {
        task.frames[nearest].line: task.count
        for task in snapshot.tasks
        if (nearest := own.nearest(task.frames)) is not None
    }
    assert [task.lasting for task in snapshot.tasks] == [task.count for task in snapshot.tasks]
    first = request.__code__.co_firstlineno
    assert waiting == {first + 1: 3, first + 2: 1}
    names = {frame.function.rpartition(".")[2] for t in snapshot.threads for frame in t.frames}
    assert "main" in names


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("Error: Permission Denied: Try running again with elevated permissions", "no permission"),
        ("Error: Failed to find python version from target process", "not available for this"),
        ("Error: No such file or directory (os error 2)", "No such file"),
    ],
)
def test_py_spy_that_cannot_attach_is_explained(log: str, words: str) -> None:
    """A refused attachment is one sentence, with the command that allows it."""
    assert words in explain(log, 7)
