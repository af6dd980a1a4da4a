"""One process of `straingauge run`: plays its share of the load. Started as a module by workers.py.

Who it is, where the others are and what is to be played come by standard input, since a command
line is for all to read.
"""

import pickle
import signal
import sys
import traceback
from collections.abc import Mapping
from typing import Any

from straingauge.cli.options import RunOptions, prepare
from straingauge.errors import StraingaugeError
from straingauge.runner.load_runner import LoadRunner, LoginCache
from straingauge.workers import WorkerClient


def main() -> int:
    """Take part in one load; gives the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it says when it is over
    name, invitation, settings = pickle.load(sys.stdin.buffer)  # noqa: S301  from our own parent
    try:
        run(name, invitation, settings)
    except StraingaugeError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def run(name: str, invitation: Mapping[str, Any], settings: RunOptions) -> None:
    """Play this process's share, and tell the others when it cannot.

    Raises:
        FleetError: The controlling process has gone.
        UsageError: What could be prepared there cannot be prepared here.
    """
    prepared = prepare(settings)
    member = WorkerClient(name, invitation, (settings.run_name,))
    problem: str | None = None
    try:
        LoadRunner(prepared.order, member, name).run(prepared.plan, LoginCache())
    except StraingaugeError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001  whatever it was, the others must not wait for it
        traceback.print_exc()
        problem = f"{type(error).__name__}: {error}"
    member.left(settings.run_name, problem)
    member.close()


if __name__ == "__main__":
    sys.exit(main())
