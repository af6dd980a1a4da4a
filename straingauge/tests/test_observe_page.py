"""The page of the service's metrics."""

from contextlib import closing

import pytest
from raw_server import answering, serve
from straingauge.observe import MetricsClient


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<!doctype html><title>app</title>", "returned no metrics in the format of Prometheus"),
        (b'{"names": ["jvm.memory"]}', "returned no metrics in the format of Prometheus"),
        (b"# HELP a b\n\n# EOF\n", None),
        (b"", None),
        (b"a 1\n<p>", None),
    ],
)
def test_a_page_that_is_not_prometheus(body: bytes, reason: str | None):
    """A page of another kind at the path of the metrics is a reason, not a service without them."""
    with serve(answering(body=body)) as server, closing(MetricsClient(server.url)) as page:
        assert (page.fetch() is None) == (reason is not None)
    assert page.unavailable == (reason and f"GET /metrics {reason}")
