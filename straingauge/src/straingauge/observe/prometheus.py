"""The service's own `/metrics`: Prometheus text in, sums by name out.

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
    """Sum every metric over its label sets (processes, methods); leave out what is no number."""
    sums: dict[str, float] = {}
    for name, value in _LINE.findall(text):
        with contextlib.suppress(ValueError):
            number = float(value)
            if math.isfinite(number):
                sums[name] = sums.get(name, 0.0) + number
    return sums


class MetricsClient:
    """Fetches the page over one kept connection.

    Attributes:
        blind: Why it cannot be read; None while it can.
    """

    def __init__(self, base_url: str, path: str = "/metrics") -> None:
        parts = urlsplit(base_url)
        secure = parts.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = connect(parts.hostname or "localhost", parts.port, timeout=TIMEOUT_S)
        self._path = path
        self.blind: str | None = None

    def fetch(self) -> Mapping[str, float] | None:
        """Read it once; None when it cannot be read, with the reason in `blind`."""
        try:
            self._connection.request("GET", self._path)
            response = self._connection.getresponse()
            body = response.read(MAX_BYTES)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self.blind = f"GET {self._path} failed: {error or type(error).__name__}"
            return None
        if response.status != 200:
            self.blind = f"GET {self._path} answered {response.status}"
            return None
        self.blind = None
        return parse(body.decode("utf-8", "replace"))

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()
