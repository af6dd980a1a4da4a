"""What is logged again and again, logged once: a task that fails does so thousands of times."""

import logging
import re

_NUMBERS = re.compile(r"\d+|0x[0-9a-f]+")
MOST_KEPT = 100


class DeduplicatingFilter(logging.Filter):
    """Lets each message pass once, whatever numbers are in it; all are counted in the result."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is new; of very many kinds, none is any more."""
        told = _NUMBERS.sub("#", record.getMessage())
        if told in self._seen or len(self._seen) >= MOST_KEPT:
            return False
        self._seen.add(told)
        return True
