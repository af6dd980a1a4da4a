"""The pytest plugin: load tests run one at a time, on all processes of ``-n N`` at once.

A test that uses the fixture `load` is a load test. It runs after all other tests, and once: plugins
that repeat failed tests do not repeat it.

Options:
    --load-host URL         base URL of the service (default: ``API_BASE_URL``, then
                            http://localhost:8000; if it refuses connections, the service of the
                            nearest straingauge.toml is started). Other machines are put under load
                            only if this option names them.
    --load-results DIR      folder for result files (default: ``results/`` next to the test file)
    --load-thresholds FILE  threshold file (default: ``thresholds.toml`` next to the test, if any)
    --load-database-url URL PostgreSQL of the service, to observe it with a read-only role (default:
                            the database of the service that was started, then ``DATABASE_URL``)
    --load-server-pid PID   parent PID of the service, if it cannot be found by its port

An option that a conftest.py or another plugin has as well is theirs.

Marker:
    @pytest.mark.load(endpoints=("GET /health", ...))
        Optional. `endpoints` lists the endpoints that the test's journeys call. The names in
        thresholds.toml are checked against it before anything is sent, since the thresholds of a
        misspelt endpoint would never be judged. Each endpoint of the list with thresholds must have
        been called.

Fixture: `load`, see `straingauge.pytest_plugin.load_test.LoadTest`.

Exit codes are pytest's own: 0 at most a warning, 1 a critical threshold, an invalid run, an
unreachable service or an invalid threshold file, 2 interrupted, 4 wrong usage.
"""

from collections.abc import Generator

import pytest

from straingauge.pytest_plugin.controller import ControllerPlugin
from straingauge.pytest_plugin.options import add_options, check_options, remove_options
from straingauge.pytest_plugin.worker import WorkerPlugin


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of load tests."""
    add_options(parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(parser: pytest.Parser) -> Generator[None, None, None]:
    """Let the options of a project's conftest.py come before ours of the same names."""
    remove_options(parser)
    try:
        return (yield)
    finally:
        add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin of this process: worker, controller, or both."""
    config.addinivalue_line(
        "markers",
        "load(endpoints=()): for a test with the fixture `load`. `endpoints` lists the endpoints "
        "that its journeys call.",
    )
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(WorkerPlugin(config, local=None), "straingauge-worker")
        return
    check_options(config)
    controller = ControllerPlugin(config)
    config.pluginmanager.register(controller, "straingauge-controller")
    config.pluginmanager.register(
        WorkerPlugin(config, local=controller.local), "straingauge-worker"
    )
