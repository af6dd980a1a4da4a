"""The note on a generator with more processes than CPUs."""

from collections.abc import Iterator

from straingauge.number_text import count
from straingauge.result.format.reason import Reason


def shared_cpus_note(processes: int, usable: int) -> Iterator[Reason]:
    """Yield a note if there are more processes of the generator than CPUs for them.

    `locust --processes -1` starts one for each CPU of the machine, also where affinity or the
    quota of a container allow fewer.

    Args:
        processes: Processes that send load, on this machine.
        usable: CPUs that they may use.
    """
    if processes > usable:
        cpus = count(usable, "CPU")
        yield Reason(
            "shared_cpus",
            "note",
            f"{count(processes, 'process', 'processes')} of the generator share {cpus}, which is"
            " all that they may use:"
            " they wait for each other, which delays requests",
            f"start no more than that: --processes {usable}",
        )
