"""The service itself: whether it answers, how it was started, what it tells of itself."""

import http.client
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import psutil

from straingauge.doctor.check_result import CheckContext, CheckResult
from straingauge.observe import MetricsClient, ProcessTable, ServiceProcesses

TIMEOUT_S = 10.0
SLOW_S = 2.0
SKEW_S = 2.0
FILES_FOR_OTHERS = 64  # what a service has open besides its clients' connections

# Words of a command line by which a server shows that it is being worked on.
_AT_WORK = ("--reload", "--debug", "runserver", "--use-reloader", "--autoreload")
_AT_WORK_IN = ("DEBUG", "FLASK_DEBUG", "DJANGO_DEBUG", "PYTHONASYNCIODEBUG", "PYTHONDEVMODE")
_NO = ("", "0", "false", "no", "off")


def answers(patient: CheckContext) -> Iterator[CheckResult]:
    """Whether the service answers, is ready, and has our time of day."""
    if not patient.answers:
        yield _silent(patient)
        return
    path = patient.stand.ready if patient.stand else "/"
    began_s = time.monotonic()
    try:
        status, date = _ask(patient.url, path)
    except (OSError, http.client.HTTPException) as error:
        yield CheckResult(
            "service",
            "problem",
            f"GET {path} at {patient.url} brought no answer: {error or type(error).__name__}",
            "look into the service's log",
        )
        return
    took_s = time.monotonic() - began_s
    ready = status == 200 if patient.stand else status < 500
    yield CheckResult(
        "service",
        "ok" if ready and took_s < SLOW_S else "warning" if ready else "problem",
        f"GET {path} at {patient.url} answers {status} in {1000 * took_s:.0f} ms",
        "" if ready and took_s < SLOW_S else "wait until it is ready, or look into its log",
    )
    if date:
        yield from _clock(date)


def processes(patient: CheckContext) -> Iterator[CheckResult]:
    """How the service was started: without reloader and debugging, with how many processes."""
    if not patient.answers:
        return
    seen = ServiceProcesses(patient.url, patient.server_pid)
    sample = seen.sample(ProcessTable.take())
    if sample is None:
        advice = "name its topmost process: --server-pid PID; or run doctor where the service runs"
        yield CheckResult("processes", "not seen", seen.blind or "the service's processes", advice)
        return
    serving = [psutil.Process(pid) for pid in sample.pids]
    debugging = sorted({word for process in sample.family for word in _debugging(process)})
    if debugging:
        yield CheckResult(
            "debugging",
            "warning",
            f"the service runs with {', '.join(debugging)}: it is slower than in use",
            "start it as it is started in production",
        )
    else:
        yield CheckResult(
            "debugging", "ok", "no reloader and no debugging in its command or environment"
        )
    yield CheckResult(
        "processes", "ok", f"{len(serving)} serving, pid {', '.join(map(str, sample.pids))}"
    )
    yield from _files(serving, patient.users)


def figures(patient: CheckContext) -> Iterator[CheckResult]:
    """What the service tells of itself: without it a diagnosis has less to go by."""
    if not patient.answers:
        return
    page = MetricsClient(patient.url, patient.names.metrics_path)
    found = page.fetch()
    page.close()
    if found is None:
        advice = "serve Prometheus text there, or name its path: metrics_path under [observe]"
        yield CheckResult(
            "figures", "not seen", f"{page.blind}: no pool, event loop or jobs", advice
        )
        return
    insides = patient.names.insides(found)
    missing = [part for part in ("pool", "loop", "jobs") if not _any(part, insides)]
    seen = f"{patient.names.metrics_path} tells {len(insides)} figures that are known here"
    without = f", none of its {', '.join(missing)}" if missing else ""
    advice = "name them under [observe] in straingauge.toml, if it has any" if missing else ""
    yield CheckResult("figures", "not seen" if len(missing) == 3 else "ok", seen + without, advice)


def _any(part: str, insides: Mapping[str, float]) -> bool:
    return any(name.startswith(part) for name in insides)


def _silent(patient: CheckContext) -> CheckResult:
    if patient.stand is not None:
        return CheckResult(
            "service",
            "warning",
            f"nothing answers at {patient.url}; a load would start the service with: "
            f"{' '.join(patient.stand.command[:4])} ...",
            "to have the service itself looked at: straingauge serve -- straingauge doctor "
            "--host {url}",
        )
    return CheckResult(
        "service",
        "problem",
        f"nothing answers at {patient.url}",
        "start the service, or name it: --host http://HOST:PORT",
    )


def _ask(url: str, path: str) -> tuple[int, str | None]:
    parts = urlsplit(url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.hostname or "localhost", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
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
    # The header has whole seconds.
    if skew_s <= SKEW_S:
        yield CheckResult(
            "clock", "ok", f"the service's time of day is ours, within {SKEW_S:.0f} s"
        )
    else:
        yield CheckResult(
            "clock",
            "warning",
            f"the service's time of day is {skew_s:.0f} s off ours: tokens may end early, and its "
            "log cannot be laid beside the figures",
            "set both clocks by NTP",
        )


def _debugging(pid: int) -> Iterator[str]:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        process = psutil.Process(pid)
        words = process.cmdline()
        yield from (word for word in words if word.split("=")[0] in _AT_WORK)
        if "-X" in words and "dev" in words:
            yield "-X dev"
        environment = process.environ()
        for name in _AT_WORK_IN:
            if environment.get(name, "").lower() not in _NO:
                yield f"{name}={environment[name]}"


def _files(serving: Sequence[psutil.Process], users: int) -> Iterator[CheckResult]:
    """Each user has a connection, and it may be that all come to one process."""
    limits = []
    for process in serving:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, AttributeError):
            limits.append(process.rlimit(psutil.RLIMIT_NOFILE)[0])
    if not limits:
        yield CheckResult("its files", "not seen", "how many files the service may open")
        return
    enough = min(limits) < 0 or min(limits) >= users + FILES_FOR_OTHERS
    yield CheckResult(
        "its files",
        "ok" if enough else "problem",
        f"the service may open {'any number of' if min(limits) < 0 else min(limits)} files, for "
        f"{users} users' connections",
        "" if enough else "start it with a higher limit: ulimit -n, LimitNOFILE",
    )
