"""The faults of the network, and what a load under each of them must report."""

import signal
import time
from dataclasses import dataclass, replace

from campaigns.network.link import Link
from campaigns.network.proxy import DELAY, SLOW_READER, SLOW_WRITER
from campaigns.network.trial import FAULT_S, HERE, LOCUST, RATE, Disturb, Service

JOURNEYS = str(HERE / "journeys.py")
GET = ("--get", "/hello", "--rate", str(RATE), "--users", "300")
HTTP2 = (*GET, "--http2-prior-knowledge")
SOCKETS = (JOURNEYS, "--journey", "echo", "--rate", "50", "--users", "200")
EVENTS = (JOURNEYS, "--journey", "events", "--rate", "50", "--users", "200")
UPLOADS = (JOURNEYS, "--journey", "upload", "--users", "5")

LATE = ("timeout", "connect_timeout", "unreachable")
BROKEN = ("reset", "early_close", "closed", "goaway", "refused")
DELAY_MS = 50.0
LOSS_PERCENT = 1


@dataclass(frozen=True)
class Fault:
    """One fault, and the goals of a load under it.

    Attributes:
        name: Name for --only.
        title: The same for people.
        load: Arguments of `straingauge run` that say what is requested, or `LOCUST`.
        disturb: Called in the middle of the load; None if the fault lasts for all of it.
        proxy: Mode and seconds of the proxy, if there is one.
        kinds: Kinds of errors that may occur; if `fails`, at least one of them.
        causes: One of them must be the first; empty if nothing has to be explained.
        fails: The verdict must be critical; None if it may, since the fault is random.
        p50_ms: The least median of the response time, which the fault adds.
    """

    name: str
    title: str
    load: tuple[str, ...] = GET
    disturb: Disturb | None = None
    proxy: tuple[str, float] | None = None
    kinds: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    fails: bool | None = True
    p50_ms: float = 0.0


def _cut(link: Link, _service: Service) -> None:
    link.cut()
    time.sleep(FAULT_S)
    link.mend()


def _drop(link: Link, _service: Service) -> None:
    link.drop()
    time.sleep(FAULT_S)
    link.mend()


def _kill_unseen(link: Link, service: Service) -> None:
    link.cut()
    service.kill()
    time.sleep(FAULT_S)
    link.mend()
    service.start()


def _reject(link: Link, _service: Service) -> None:
    link.reject()
    time.sleep(FAULT_S)
    link.mend()


def _reset(_link: Link, service: Service) -> None:
    service.signal(signal.SIGUSR1)
    time.sleep(FAULT_S)
    service.signal(signal.SIGUSR2)


def _lose(link: Link, _service: Service) -> None:
    link.lose(LOSS_PERCENT)  # to the end of the load


LOST = ("packets_lost",)
RESETS = ("connection_resets", "unreachable")
FAULTS = (
    Fault("none", "no fault", fails=False),
    Fault("link-down", "link down for 5 s", disturb=_cut, kinds=LATE, causes=LOST),
    Fault("drop", "all packets dropped for 5 s", disturb=_drop, kinds=LATE, causes=LOST),
    Fault(
        "half-open",
        "service killed while the link is down",
        disturb=_kill_unseen,
        kinds=(*LATE, *BROKEN),
        causes=LOST,
    ),
    Fault("reject", "firewall resets", disturb=_reject, kinds=BROKEN, causes=RESETS),
    Fault("resets", "service resets", disturb=_reset, kinds=BROKEN, causes=RESETS),
    Fault("loss", "1 % of the packets lost", disturb=_lose, causes=LOST, fails=None, kinds=LATE),
    Fault(
        "delay",
        "50 ms in each direction",
        proxy=(DELAY, DELAY_MS / 1000),
        causes=("slow_endpoint",),
        fails=None,
        p50_ms=2 * DELAY_MS,
    ),
    Fault(
        "slow-writer",
        "a byte of the response each 100 ms",
        load=(*GET[:3], "20", *GET[4:]),
        proxy=(SLOW_WRITER, 0.1),
        kinds=("timeout",),
        causes=("endpoint_errors",),
    ),
    Fault(
        "slow-reader",
        "a byte of the request each 100 ms",
        load=UPLOADS,
        proxy=(SLOW_READER, 0.1),
        kinds=("timeout",),
        causes=("endpoint_errors",),
    ),
    Fault("http2-link-down", "link down, HTTP/2", HTTP2, _cut, kinds=LATE, causes=LOST),
    Fault("http2-resets", "resets, HTTP/2", HTTP2, _reset, kinds=BROKEN, causes=RESETS),
    Fault("socket-link-down", "link down, WebSockets", SOCKETS, _cut, kinds=LATE, causes=LOST),
    Fault("socket-resets", "resets, WebSockets", SOCKETS, _reset, kinds=BROKEN, causes=RESETS),
    Fault("events-link-down", "link down, event streams", EVENTS, _cut, kinds=LATE, causes=LOST),
    Fault("events-resets", "resets, event streams", EVENTS, _reset, kinds=BROKEN, causes=RESETS),
)
WITH_LOCUST = ("none", "link-down", "drop", "half-open", "reject", "resets", "loss")
ALL = {each.name: each for each in FAULTS}
ALL |= {
    f"locust-{name}": replace(
        ALL[name], name=f"locust-{name}", title=f"{ALL[name].title}, Locust", load=LOCUST
    )
    for name in WITH_LOCUST
}
