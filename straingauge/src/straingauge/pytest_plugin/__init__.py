"""The pytest plugin: tests marked `load` run one at a time, on all processes of ``-n N`` at once.

Options:
    --load-host URL         base URL of the service (default: ``API_BASE_URL``, then
                            http://localhost:8000; if it refuses connections, the service of the
                            nearest straingauge.toml is started). Other machines are put under load
                            only if this option names them.
    --load-results DIR      folder for result files (default: ``results/`` next to the test file)
    --load-thresholds FILE  threshold file (default: ``thresholds.toml`` next to the test file)
    --database-url URL      PostgreSQL of the service, to observe it with a read-only role (default:
                            the database of the service that was started, then ``DATABASE_URL``)
    --server-pid PID        parent PID of the service, if it cannot be found by its port

Marker:
    @pytest.mark.load(endpoints=("GET /health", ...))
        `endpoints` lists the endpoints that the test's journeys call. The names in thresholds.toml
        are checked against it before anything is sent, since the thresholds of a misspelt endpoint
        would never be judged. Each endpoint of the list with thresholds must have been called.

Fixture: `load`, see `straingauge.pytest_plugin.load_test.LoadTest`.

Exit codes are pytest's own: 0 at most a warning, 1 a critical threshold, an invalid run, an
unreachable service or an invalid threshold file, 2 interrupted, 4 wrong usage.
"""

import pytest

from straingauge.pytest_plugin.controller import ControllerPlugin
from straingauge.pytest_plugin.worker import WorkerPlugin


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of load tests."""
    group = parser.getgroup("load", "load tests (straingauge)")
    group.addoption(
        "--load-host",
        metavar="URL",
        help="base URL of the service (default: API_BASE_URL, then http://localhost:8000, "
        "then the service of the nearest straingauge.toml is started)",
    )
    group.addoption(
        "--load-results",
        metavar="DIR",
        help="folder for result files (default: results/ next to the test file)",
    )
    group.addoption(
        "--load-thresholds",
        metavar="FILE",
        help="threshold file (default: thresholds.toml next to the test file)",
    )
    group.addoption(
        "--database-url",
        metavar="URL",
        help="PostgreSQL of the service, to observe it with a read-only role (default: the "
        "database of the service that was started, then DATABASE_URL)",
    )
    group.addoption(
        "--server-pid",
        metavar="PID",
        type=int,
        help="parent PID of the service, if it cannot be found by its port",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin of this process: worker, controller, or both."""
    config.addinivalue_line(
        "markers",
        "load(endpoints=()): load test; runs on all xdist workers at once, after the other "
        "tests. `endpoints` lists the endpoints that its journeys call.",
    )
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(WorkerPlugin(config, local=None), "straingauge-worker")
        return
    controller = ControllerPlugin(config)
    config.pluginmanager.register(controller, "straingauge-controller")
    config.pluginmanager.register(
        WorkerPlugin(config, local=controller.local), "straingauge-worker"
    )
