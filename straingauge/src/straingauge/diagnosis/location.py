"""Places that a cause points to: code, a statement, a call to another service, a process."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from straingauge.result.format.result import LocationDict


@dataclass(frozen=True, slots=True)
class CodeLocation:
    """A line of the service's code.

    Attributes:
        file: Relative to the root of the git repository it is in, with "/"; absolute outside of
            one.
        line: From 1; 0 if unknown.
        function: Name of the function, such as "list_sessions" or "Store.save"; empty if unknown.
    """

    file: str
    line: int
    function: str = ""

    def as_dict(self) -> LocationDict:
        """The object that the result file stores."""
        return {
            "kind": "code",
            "file": self.file,
            "line": self.line,
            "function": self.function or None,
        }


@dataclass(frozen=True, slots=True)
class StatementLocation:
    """A statement of the database; at least one of its attributes is known.

    Attributes:
        statement: SQL without its values, as `pg_stat_statements` has it.
        endpoint: The endpoint that runs it, such as "GET /books/{isbn}".
        table: The table that is read, with its schema if that is known.
        index: The CREATE INDEX statement that would make it fast.
        lock: Whether it holds the lock or waits for it, where statements wait for each other.
    """

    statement: str | None = None
    endpoint: str | None = None
    index: str | None = None
    table: str | None = None
    lock: Literal["holds", "waits"] | None = None

    def as_dict(self) -> LocationDict:
        """The object that the result file stores."""
        return {
            "kind": "statement",
            "statement": self.statement,
            "endpoint": self.endpoint,
            "table": self.table,
            "index": self.index,
            "lock": self.lock,
        }


@dataclass(frozen=True, slots=True)
class CallLocation:
    """A call of the service to another one.

    Attributes:
        host: Name or address, with its port if that is known.
        endpoint: The endpoint of the service that waits for it.
    """

    host: str
    endpoint: str | None = None

    def as_dict(self) -> LocationDict:
        """The object that the result file stores."""
        return {"kind": "call", "host": self.host, "endpoint": self.endpoint}


@dataclass(frozen=True, slots=True)
class ProcessLocation:
    """A process of the service, and what it keeps.

    Attributes:
        process: Name of the program.
        pid: Its process id; None if it stands for several.
        resource: What it keeps, with a number, such as "120 sockets to 10.0.0.7:443".
    """

    process: str
    pid: int | None = None
    resource: str | None = None

    def as_dict(self) -> LocationDict:
        """The object that the result file stores."""
        return {
            "kind": "process",
            "process": self.process,
            "pid": self.pid,
            "resource": self.resource,
        }


Location = CodeLocation | StatementLocation | CallLocation | ProcessLocation


def read_location(row: Mapping[str, Any]) -> Location | None:
    """Read a location of a result file; None for one that this version does not know."""
    match row:
        case {"kind": "code", "file": str(file), "line": int(line)}:
            return CodeLocation(file, line, str(row.get("function") or ""))
        case {"kind": "statement"}:
            keys = ("statement", "endpoint", "index", "table", "lock")
            return StatementLocation(**{key: row.get(key) for key in keys})
        case {"kind": "call", "host": str(host)}:
            return CallLocation(host, row.get("endpoint"))
        case {"kind": "process", "process": str(process)}:
            return ProcessLocation(process, row.get("pid"), row.get("resource"))
        case _:
            return None
