"""Advice that depends on the language of the service."""

from collections.abc import Mapping
from typing import Final

ADVICE: Final[Mapping[str, Mapping[str, str]]] = {
    "memory_leak": {
        "python": "compare tracemalloc snapshots before and after some hundred requests",
        "javascript": "compare two heap snapshots (node --inspect, --heapsnapshot-signal=SIGUSR2),"
        " and repeat with a fixed --max-old-space-size: only a leak reaches it",
        "jvm": "compare class histograms (jcmd PID GC.class_histogram), and repeat with a fixed"
        " -Xmx: only a leak reaches it",
        "go": "compare heap profiles (net/http/pprof, go tool pprof -base), and repeat with"
        " GOMEMLIMIT: only a leak reaches it",
        "dotnet": "compare two heap dumps (dotnet-gcdump collect)",
        "ruby": "compare ObjectSpace.trace_object_allocations before and after some hundred"
        " requests",
    },
    "event_loop_blocked": {
        "python": "PYTHONASYNCIODEBUG=1 logs each step of the loop that takes longer than 100 ms",
        "javascript": "node --cpu-prof shows the function; look for *Sync calls, large JSON and"
        " regular expressions, and move work to worker_threads",
        "jvm": "BlockHound names blocking calls on the threads of an event loop (Netty, Vert.x)",
    },
    "cpu_bound": {
        "python": "py-spy record --pid PID shows the functions",
        "javascript": "node --cpu-prof shows the functions",
        "jvm": "async-profiler (asprof -d 10 PID) shows the methods",
        "go": "go tool pprof http://HOST/debug/pprof/profile shows the functions",
        "ruby": "rbspy record --pid PID shows the methods",
        "dotnet": "dotnet-trace collect --process-id PID shows the methods",
    },
    "thread_leak": {
        "python": "py-spy dump --pid PID lists them with their stacks",
        "jvm": "jstack PID lists them with their stacks",
        "go": "/debug/pprof/goroutine?debug=1 lists goroutines; blocking system calls need threads",
        "dotnet": "dotnet-stack report --process-id PID lists them with their stacks",
    },
}


def advice_for(cause: str, language: object) -> tuple[str, ...]:
    """Return the advice for a cause in a service of this language, if there is any."""
    found = ADVICE.get(cause, {}).get(str(language))
    return () if found is None else (found,)
