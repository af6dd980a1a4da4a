"""The live page of the runs of this process, served on this machine."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from straingauge.exports import MEDIA_TYPE, MetricsPage
from straingauge.live_view import PageDataCache
from straingauge.live_view.loopback_server import LoopbackServer, Reply, Route
from straingauge.live_view.page_routes import PageRoutes
from straingauge.runner.live_run import LiveRun


@contextmanager
def live_page(
    run: LiveRun, port: int | None, say: Callable[[str], None], *, option: str
) -> Iterator[None]:
    """Serve the page while the context lasts, and until an open page has the final state.

    The server has the metrics of the load at /metrics.

    Args:
        run: The run.
        port: The port; 0 takes any free port; None serves nothing.
        say: Called with a line that has the page's URL.
        option: The option with the port, for the error that it is in use.

    Raises:
        TargetError: The port is in use.
    """
    if port is None:
        yield
        return
    page = PageRoutes(PageDataCache(run, run.state, run.progress))
    token = secrets.token_urlsafe(24)
    routes = {**page.routes(), ("GET", "/metrics"): metrics_route(run)}
    with LoopbackServer(routes, port, option=option, token=token) as server:
        say(f"live page: {server.url}/")
        yield
        page.await_viewers()


def metrics_route(run: LiveRun) -> Route:
    """Return the route of the page that Prometheus reads."""
    metrics = MetricsPage(lambda: run.merged)
    return Route(lambda _: Reply(metrics.text(), MEDIA_TYPE))
