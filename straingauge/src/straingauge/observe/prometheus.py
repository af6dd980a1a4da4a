"""The service's `/metrics` in the Prometheus text format.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import contextlib
import http.client
import math
import re
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

from straingauge.http.blocking import BlockingConnection
from straingauge.http.settings import HttpSettings

TIMEOUT_S = 2.0
REDIRECTS = (301, 302, 303, 307, 308)
MAX_BYTES = 4 * 1024 * 1024

# A label value is quoted and may have braces and "#" in it; after the value of a sample, a time and
# an exemplar (`# {trace_id="..."} 0.5`) may follow.
_LABELS = r'\{((?:[^"}\n]|"(?:\\.|[^"\\\n])*")*)\}'
_LINE = re.compile(rf"^([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]*(?:{_LABELS})?[ \t]+(\S+)", re.MULTILINE)
# OpenTelemetry counts used and idle connections of a pool, or kinds of memory, in one metric.
_STATE = re.compile(r'(?:^|,)\s*(?:\w+_)?(state|type)\s*=\s*"(\w+)"')


def parse(text: str) -> dict[str, float]:
    """Sum each metric over its label sets; skip values that are not finite numbers.

    A metric with a label `state` or `type` is also summed for each of its values:
    ``connections{state="used"}``.
    """
    sums: dict[str, float] = {}
    for name, labels, value in _LINE.findall(text):
        with contextlib.suppress(ValueError):
            number = float(value)
            if math.isfinite(number):
                state = _STATE.search(labels)
                for key in (
                    [name] if state is None else [name, f'{name}{{{state[1]}="{state[2]}"}}']
                ):
                    sums[key] = sums.get(key, 0.0) + number
    return sums


class MetricsClient:
    """Fetch the metrics over one persistent connection.

    Attributes:
        unavailable: Why they cannot be read; None if they can.
        server: The service's `Server` header; None without one.
    """

    def __init__(
        self, base_url: str, path: str = "/metrics", settings: HttpSettings | None = None
    ) -> None:
        parts = urlsplit(base_url)
        self._connection = BlockingConnection(base_url, settings or HttpSettings(), TIMEOUT_S)
        self._url = urljoin(base_url, path)
        self._path = path
        base_path = parts.path.rstrip("/")
        self._other_path = base_path + path if base_path else None
        self.unavailable: str | None = None
        self.server: str | None = None

    def fetch(self) -> Mapping[str, float] | None:
        """Return the metrics; None if they cannot be read, see `unavailable`.

        A redirect to another path of the service is followed, as from a mounted application's
        path to the same with a slash.
        """
        try:
            status, location, body = self._get(self._path)
            if status == 404 and self._other_path is not None:
                # The base URL has a path: a proxy may serve the whole service below it.
                status, location, body = self._get(self._other_path)
                if status != 404:
                    self._path, self._other_path = self._other_path, None
            if status in REDIRECTS and location is not None:
                target = urlsplit(urljoin(self._url, location))
                if (target.scheme, target.netloc) == urlsplit(self._url)[:2]:
                    self._path = target._replace(scheme="", netloc="", fragment="").geturl()
                    status, _, body = self._get(self._path)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self.unavailable = f"GET {self._path} failed: {error or type(error).__name__}"
            return None
        if status != 200:
            self.unavailable = f"GET {self._path} returned status {status}"
            return None
        text = body.decode("utf-8", "replace")
        found = parse(text)
        if not found and not all(line[:1] in ("", "#") for line in text.splitlines()):
            # The page of a single-page application, or JSON.
            self.unavailable = f"GET {self._path} returned no metrics in the format of Prometheus"
            return None
        self.unavailable = None
        return found

    def _get(self, path: str) -> tuple[int, str | None, bytes]:
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        self.server = response.getheader("Server")
        body = response.read(MAX_BYTES)
        if not response.isclosed():  # it has more, which would be read as the next response
            self._connection.close()
        return response.status, response.getheader("Location"), body

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
