"""The service's `/metrics` in the Prometheus text format.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import contextlib
import http.client
import math
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

TIMEOUT_S = 2.0
MAX_BYTES = 4 * 1024 * 1024

_LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{.*\})?[ \t]+(\S+)", re.MULTILINE)


def parse(text: str) -> dict[str, float]:
    """Sum each metric over its label sets; skip values that are not finite numbers."""
    sums: dict[str, float] = {}
    for name, value in _LINE.findall(text):
        with contextlib.suppress(ValueError):
            number = float(value)
            if math.isfinite(number):
                sums[name] = sums.get(name, 0.0) + number
    return sums


class MetricsClient:
    """Fetch the metrics over one persistent connection.

    Attributes:
        unavailable: Why they cannot be read; None if they can.
    """

    def __init__(self, base_url: str, path: str = "/metrics") -> None:
        parts = urlsplit(base_url)
        secure = parts.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = connect(parts.hostname or "localhost", parts.port, timeout=TIMEOUT_S)
        self._path = path
        self.unavailable: str | None = None

    def fetch(self) -> Mapping[str, float] | None:
        """Return the metrics; None if they cannot be read, see `unavailable`."""
        try:
            self._connection.request("GET", self._path)
            response = self._connection.getresponse()
            body = response.read(MAX_BYTES)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self.unavailable = f"GET {self._path} failed: {error or type(error).__name__}"
            return None
        if response.status != 200:
            self.unavailable = f"GET {self._path} returned status {response.status}"
            return None
        self.unavailable = None
        return parse(body.decode("utf-8", "replace"))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
