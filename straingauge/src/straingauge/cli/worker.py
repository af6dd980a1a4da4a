"""One process of `straingauge run`; runs its share of the load. Started as a module.

Its name, the coordinator's address and secret, and the options come by standard input, because all
users of a machine can read command lines.
"""

import pickle
import signal
import sys
import traceback
from collections.abc import Mapping
from typing import Any

from straingauge.cli.options import RunOptions, load_spec
from straingauge.errors import StraingaugeError
from straingauge.runner import LoadRunner, LoginCache
from straingauge.workers import WorkerClient


def main() -> int:
    """Run a share of one load; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the controlling process decides when it ends
    name, connection_info, options = pickle.load(sys.stdin.buffer)  # noqa: S301  from our own parent
    try:
        run(name, connection_info, options)
    except StraingaugeError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def run(name: str, connection_info: Mapping[str, Any], options: RunOptions) -> None:
    """Run this process's share, and tell the others if it fails.

    Raises:
        CoordinatorError: The controlling process has ended.
        UsageError: A file or a value is invalid.
    """
    spec = load_spec(options)
    client = WorkerClient(name, connection_info, (spec.test,))
    problem: str | None = None
    try:
        LoadRunner(spec, client, name).run(LoginCache())
    except StraingaugeError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001  the others must not wait for this process
        traceback.print_exc()
        problem = f"{type(error).__name__}: {error}"
    client.leave_test(spec.test, problem)
    client.close()


if __name__ == "__main__":
    sys.exit(main())
