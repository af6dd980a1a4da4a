"""The log of a campaign's writes: each value that was sent, and whether a response confirmed it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

ACCOUNT, PATIENT, SESSION, LOGIN = "account", "patient", "session", "login"


@dataclass
class FieldLog:
    """The values that were sent for a field, in order.

    Attributes:
        values: The values.
        acknowledged: Position of the last value that a response confirmed; -1 if none did.
    """

    values: list[str | None] = field(default_factory=list)
    acknowledged: int = -1

    def send(self, value: str | None) -> int:
        """Add a value before it is sent; return its position."""
        self.values.append(value)
        return len(self.values) - 1

    def judge(self, stored: str | None) -> str | None:
        """Return None if the stored value is right, "lost" if an older one, "altered" if unknown.

        Right is the last acknowledged value, or one that was sent later without a response.
        """
        if stored in self.values[max(self.acknowledged, 0) :]:
            return None
        return "lost" if stored in self.values else "altered"


@dataclass
class Record:
    """A row that the service was asked to create.

    Attributes:
        kind: ACCOUNT, PATIENT, SESSION or LOGIN.
        key: What identifies it in the database: an address, a name or a SHA-256.
        owner: Address of its account.
        id: Its id, from the response; None if no response came.
        refused: A response said that it was not created.
        fields: The values of its other fields, by name.
        dies: Its job kills the job worker each time.
    """

    kind: str
    key: str
    owner: str
    id: str | None = None
    refused: bool = False
    fields: dict[str, FieldLog] = field(default_factory=dict)
    dies: bool = False

    @property
    def is_acknowledged(self) -> bool:
        """True if a response confirmed it."""
        return self.id is not None


class WriteLog:
    """The log, which several clients write to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[tuple[str, str], Record] = {}
        self.acknowledged = 0
        self.unacknowledged = 0
        self.refused = 0
        """Requests that were not answered, or with a 503, whether or not they write."""
        self.unexpected: list[str] = []
        """Responses that no disturbance explains."""

    def add(self, kind: str, key: str, owner: str) -> Record:
        """Add a row before the request to create it is sent."""
        with self._lock:
            record = self._records[kind, key] = Record(kind, key, owner)
        return record

    def count(self, *, acknowledged: bool) -> None:
        """Count a write, after its response or the lack of one."""
        with self._lock:
            self.acknowledged += acknowledged
            self.unacknowledged += not acknowledged

    def count_refused(self) -> None:
        """Count a request that was not served."""
        with self._lock:
            self.refused += 1

    def report(self, response: str) -> None:
        """Add an unexpected response."""
        with self._lock:
            self.unexpected.append(response)

    def find(self, kind: str, key: str) -> Record | None:
        """Return a row that was sent."""
        return self._records.get((kind, key))

    def of(self, kind: str) -> Iterator[Record]:
        """Yield the rows of a kind."""
        with self._lock:
            records = list(self._records.values())
        return (record for record in records if record.kind == kind)
