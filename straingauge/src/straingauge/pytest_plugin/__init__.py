"""The pytest plugin: tests marked `load` run one at a time, on all processes of ``-n N`` at once.

Options:
    --load-host URL         the service's address (else ``API_BASE_URL``, else
                            http://localhost:8000; where that refuses, the stand of the nearest
                            straingauge.toml is started). Hosts elsewhere than on this machine are
                            put under load only when named by this option.
    --load-results DIR      where result files go (default: ``results/`` beside the test file)
    --load-thresholds FILE  what is demanded (default: ``thresholds.toml`` beside the test file)
    --database-url URL      the service's PostgreSQL, to be watched (else that of the stand that was
                            started, else ``DATABASE_URL``); a role that may only read is enough
    --server-pid PID        the service's topmost process, where its port does not tell

Marker:
    @pytest.mark.load(endpoints=("GET /health", ...))
        `endpoints` names what the test's journeys call. It is what thresholds.toml is checked
        against before anything is sent (a misspelt endpoint would otherwise never be judged), and
        each of them that has thresholds must have been called.

Fixture: `load`, see `straingauge.pytest_plugin.load_test.LoadTest`.

Exit codes are pytest's own: 0 all within target or warning, 1 a critical threshold, an invalid run,
a target that could not be reached or a wrong thresholds file, 2 interrupted, 4 wrong usage.
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
        help="the service's address (default: $API_BASE_URL, else http://localhost:8000, "
        "else the stand of the nearest straingauge.toml)",
    )
    group.addoption(
        "--load-results",
        metavar="DIR",
        help="where result files go (default: results/ beside the test file)",
    )
    group.addoption(
        "--load-thresholds",
        metavar="FILE",
        help="what is demanded (default: thresholds.toml beside the test file)",
    )
    group.addoption(
        "--database-url",
        metavar="URL",
        help="the service's PostgreSQL, to be watched by a role that may read only "
        "(default: that of the stand that was started, else $DATABASE_URL)",
    )
    group.addoption(
        "--server-pid",
        metavar="PID",
        type=int,
        help="the service's topmost process, where its port does not tell (it is a proxy's)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin of this process: worker, controller, or both."""
    config.addinivalue_line(
        "markers",
        "load(endpoints=()): puts load on a service; runs on all xdist workers at once, after the "
        "other tests. `endpoints` names what its journeys call.",
    )
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(WorkerPlugin(config, local=None), "straingauge-worker")
        return
    controller = ControllerPlugin(config)
    config.pluginmanager.register(controller, "straingauge-controller")
    config.pluginmanager.register(
        WorkerPlugin(config, local=controller.local), "straingauge-worker"
    )
