"""A log filter that passes repeated messages once: a failing task would log thousands of times."""

import logging
import re

_NUMBERS = re.compile(r"\d+|0x[0-9a-f]+")
MAX_MESSAGES = 100


class DeduplicatingFilter(logging.Filter):
    """Passes each message once, ignoring numbers in it; the result counts all occurrences."""

    def __init__(self) -> None:
        super().__init__()
        self._logged: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass a new message, up to `MAX_MESSAGES` different ones."""
        message = _NUMBERS.sub("#", record.getMessage())
        if message in self._logged or len(self._logged) >= MAX_MESSAGES:
            return False
        self._logged.add(message)
        return True
