"""A file that an export writes while the load runs."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import BinaryIO

from straingauge.exports.second import Second


class ExportFile(ABC):
    """A file that grows with each second; a reader may follow it.

    Args:
        path: The file, which is replaced when the first second comes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    @abstractmethod
    def content(self, second: Second) -> bytes:
        """Return what the file has of a second."""

    def header(self) -> bytes:
        """Return what stands before the first second."""
        return b""

    def add(self, second: Second) -> None:
        """Write a second."""
        if self._file is None:
            self._file = self._path.open("wb")
            self._file.write(self.header())
        self._file.write(self.content(second))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
