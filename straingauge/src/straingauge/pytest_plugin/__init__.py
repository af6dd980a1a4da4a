"""The pytest plugin: tests marked `load` run one at a time, on all processes of ``-n N`` at once.

Options:
    --load-host URL         the service's address (else ``API_BASE_URL``, else http://localhost:8000; where
                            that refuses, the stand of the nearest straingauge.toml is started)
    --load-results DIR      where result files go (default: ``results/`` beside the test file)
    --load-thresholds FILE  what is demanded (default: ``thresholds.toml`` beside the test file)

Marker:
    @pytest.mark.load(endpoints=("GET /health", ...))
        `endpoints` names what the test's journeys call. It is what thresholds.toml is checked
        against before anything is sent (a misspelt endpoint would otherwise never be judged), and each
        of them that has thresholds must have been called.

Fixture: `load`, see `straingauge.pytest_plugin.load.LoadTest`.
"""

from straingauge.pytest_plugin.load import Account, LoadTest, Run, Users
from straingauge.verdict import Finding

__all__ = ["Account", "Finding", "LoadTest", "Run", "Users"]
