"""Checks of the service: responses, debug settings, processes and metrics."""

import http.client
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import psutil

from straingauge.doctor.check_result import CheckContext, CheckResult
from straingauge.http.blocking import BlockingConnection
from straingauge.number_text import count
from straingauge.observe import MetricsClient, ProcessTable, ServiceProcesses

TIMEOUT_S = 10.0
SLOW_S = 2.0
SKEW_S = 2.0
OTHER_FILES = 64  # open files of a service other than client connections

# Arguments and environment variables of a server in development.
_DEBUG_ARGUMENTS = ("--reload", "--debug", "runserver", "--use-reloader", "--autoreload")
_DEBUG_VARIABLES = ("DEBUG", "FLASK_DEBUG", "DJANGO_DEBUG", "PYTHONASYNCIODEBUG", "PYTHONDEVMODE")
_NO = ("", "0", "false", "no", "off")


def answers(context: CheckContext) -> Iterator[CheckResult]:
    """Check that the service responds, is ready, and has the same time of day."""
    if not context.answers:
        yield _silent(context)
        return
    path = context.stack.ready if context.stack else "/"
    began_s = time.monotonic()
    try:
        status, date = _ask(context, path)
    except (OSError, http.client.HTTPException) as error:
        yield CheckResult(
            "service",
            "problem",
            f"GET {path} at {context.url} got no response: {error or type(error).__name__}",
            "see the service's log",
        )
        return
    took_s = time.monotonic() - began_s
    ready = status == 200 if context.stack else status < 500
    yield CheckResult(
        "service",
        "ok" if ready and took_s < SLOW_S else "warning" if ready else "problem",
        f"GET {path} at {context.url} returned {status} in {1000 * took_s:,.0f} ms",
        "" if ready and took_s < SLOW_S else "wait until it is ready, or see its log",
    )
    if date:
        yield from _clock(date)


def processes(context: CheckContext) -> Iterator[CheckResult]:
    """Check how the service was started: debug settings, processes and open files."""
    if not context.answers:
        return
    seen = ServiceProcesses(context.listening_url, context.server_pid)
    sample = seen.sample(ProcessTable.snapshot())
    if sample is None:
        advice = (
            "name its parent PID with --server-pid, or run doctor on the machine of the service"
        )
        yield CheckResult(
            "processes",
            "skipped",
            seen.unavailable or "the processes of the service were not found",
            advice,
        )
        return
    serving = [psutil.Process(pid) for pid in sample.pids]
    debugging = sorted({word for process in sample.family for word in _debugging(process)})
    if debugging:
        yield CheckResult(
            "debugging",
            "warning",
            f"the service runs with {', '.join(debugging)}: it is slower than in production",
            "start it as in production",
        )
    else:
        yield CheckResult("debugging", "ok", "no reloader and no debug settings")
    yield CheckResult(
        "processes", "ok", f"{len(serving)} serve requests, PID {', '.join(map(str, sample.pids))}"
    )
    yield from _files(serving, context.users)


def metrics(context: CheckContext) -> Iterator[CheckResult]:
    """Check which metrics the service exports for a diagnosis."""
    if not context.answers:
        return
    page = MetricsClient(context.url, context.names.metrics_path, context.http)
    found = page.fetch()
    page.close()
    if found is None:
        advice = "export Prometheus metrics, or set metrics_path under [observe]"
        yield CheckResult(
            "metrics",
            "skipped",
            f"{page.unavailable}: no metrics of pool, event loop or jobs",
            advice,
        )
        return
    known = context.names.service_metrics(found)
    missing = [part for part in ("pool", "loop", "jobs") if not _any(part, known)]
    seen = f"{context.names.metrics_path} has {len(known)} known metrics"
    without = f", none of {', '.join(missing)}" if missing else ""
    advice = "name them under [observe] in straingauge.toml, if there are any" if missing else ""
    yield CheckResult("metrics", "skipped" if len(missing) == 3 else "ok", seen + without, advice)


def _any(part: str, known: Mapping[str, float]) -> bool:
    return any(name.startswith(part) for name in known)


def _silent(context: CheckContext) -> CheckResult:
    if context.stack is not None:
        return CheckResult(
            "service",
            "warning",
            f"nothing responds at {context.url}; a load test would start the service with: "
            f"{' '.join(context.stack.command[:4])} ...",
            "to check the service: straingauge serve -- straingauge doctor --host {url}",
        )
    return CheckResult(
        "service",
        "problem",
        f"nothing responds at {context.url}",
        "start the service, or name it with --host http://HOST:PORT",
    )


def _ask(context: CheckContext, path: str) -> tuple[int, str | None]:
    connection = BlockingConnection(context.url, context.http, TIMEOUT_S)
    try:
        connection.request("GET", urlsplit(context.url).path.rstrip("/") + path)
        response = connection.getresponse()
        response.read()
        return response.status, response.getheader("Date")
    finally:
        connection.close()


def _clock(date: str) -> Iterator[CheckResult]:
    try:
        skew_s = abs(parsedate_to_datetime(date).timestamp() - time.time())
    except (TypeError, ValueError):
        return
    # The Date header has a resolution of a second.
    if skew_s <= SKEW_S:
        yield CheckResult(
            "clock", "ok", f"the service's clock agrees with this one within {SKEW_S:,.0f} s"
        )
    else:
        yield CheckResult(
            "clock",
            "warning",
            f"the service's clock differs by {skew_s:,.0f} s: tokens may expire early, and log "
            "times do not match the results",
            "synchronize both clocks (NTP)",
        )


def _debugging(pid: int) -> Iterator[str]:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        process = psutil.Process(pid)
        words = process.cmdline()
        yield from (word for word in words if word.split("=")[0] in _DEBUG_ARGUMENTS)
        if "-X" in words and "dev" in words:
            yield "-X dev"
        environment = process.environ()
        for name in _DEBUG_VARIABLES:
            if environment.get(name, "").lower() not in _NO:
                yield f"{name}={environment[name]}"


def _files(serving: Sequence[psutil.Process], users: int) -> Iterator[CheckResult]:
    """Check that one process may open the connections of all users."""
    limits = []
    for process in serving:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, AttributeError):
            limits.append(process.rlimit(psutil.RLIMIT_NOFILE)[0])
    if not limits:
        yield CheckResult("service files", "skipped", "the limit of open files is unknown")
        return
    enough = min(limits) < 0 or min(limits) >= users + OTHER_FILES
    files = "any number of files" if min(limits) < 0 else count(min(limits), "file")
    yield CheckResult(
        "service files",
        "ok" if enough else "problem",
        f"the service may open {files}, for {count(users, 'user')} with a connection each",
        "" if enough else "start it with a higher limit: ulimit -n, LimitNOFILE",
    )
