"""The profile in a result; `schemas/result-1.schema.json` describes each field."""

from typing import Literal, NotRequired, TypedDict

StackState = Literal["running", "thread", "task"]
"""Work on a CPU core; a thread in a snapshot; an asyncio task that waits in a snapshot."""


class ProfileFrame(TypedDict):
    """One line of code; `own` if it belongs to the service, not to a library."""

    file: str
    line: int
    function: str
    own: bool


class ProfileStack(TypedDict):
    """One stack, its frames from the outermost to the innermost, and how often it was seen."""

    process: int
    thread: str
    state: StackState
    frames: list[int]
    samples: int


class ProfileLine(TypedDict):
    """A line of the service's own code, with the samples of the libraries that it calls."""

    process: int
    thread: str
    state: StackState
    file: str
    line: int
    function: str
    own_samples: int
    total_samples: int
    lasting_samples: int
    snapshots: int


class ProfileThread(TypedDict):
    """Samples of one thread; `name` is shared by the threads of a pool.

    `runs_loop` says whether it runs an event loop; missing in results of older versions.
    """

    name: str
    running_samples: int
    runs_loop: NotRequired[bool]


class ProfileProcess(TypedDict):
    """One process of the service."""

    pid: int
    name: str
    threads: list[ProfileThread]


class CodeLine(TypedDict):
    """A line of the service's own code."""

    file: str
    line: int
    function: str


class ProfileStall(TypedDict):
    """The stacks at an instant when no request had been answered for a while.

    `lines` are those in which threads were, `tasks` those in which most tasks waited.
    """

    t_s: float
    silent_ms: int
    lines: list[CodeLine]
    tasks: list[CodeLine]


class Snapshots(TypedDict):
    """Stacks of all threads, and of all asyncio tasks if `tasks_visible`, at some instants."""

    count: int
    tasks_visible: bool


class ProfileCost(TypedDict):
    """CPU time of profiling during the load, in percent of one core."""

    cpu_percent: float


class Profile(TypedDict):
    """The lines and stacks in which the service's processes spent their time."""

    rate_hz: int
    duration_s: float
    running_samples: int
    processes: list[ProfileProcess]
    lines: list[ProfileLine]
    frames: list[ProfileFrame]
    stacks: list[ProfileStack]
    snapshots: Snapshots
    stalls: list[ProfileStall]
    cost: ProfileCost
    notes: list[str]
