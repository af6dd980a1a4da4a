"""The profile of a service: where its Python processes spend their time during a load.

`py-spy` samples what runs, from outside of the processes. Snapshots show what waits: those of the
probe in services that a service stack started (`straingauge.inside.probe`), which have the asyncio
tasks as well, or else those of ``py-spy dump``.
"""

from straingauge.profile.profiler import Profiler, is_started_here
from straingauge.profile.profiler_process import ProfilerProcess
from straingauge.profile.service_log import ServiceLog, find_log
from straingauge.profile.service_pids import started_code
from straingauge.profile.tracebacks import last_line

__all__ = [
    "Profiler",
    "ProfilerProcess",
    "ServiceLog",
    "find_log",
    "is_started_here",
    "last_line",
    "started_code",
]
