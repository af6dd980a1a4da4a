"""The protocol of exporters."""

from typing import Protocol

from straingauge.exports.second import Second


class Exporter(Protocol):
    """Receives the seconds of loads, in one thread, and is closed at the end."""

    def add(self, second: Second) -> None:
        """Export a second; any exception ends this export, and never the run."""

    def close(self) -> None:
        """Export what is left; likewise."""
