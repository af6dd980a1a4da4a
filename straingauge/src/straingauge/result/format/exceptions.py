"""Exceptions of a service during the load; `schemas/result-1.schema.json` describes each field."""

from typing import TypedDict


class RaisedException(TypedDict):
    """An exception by the line of code that raised it, without its message.

    `file`, `line` and `function` are the nearest ones of the service's own code, or else where it
    was raised.
    """

    type: str
    file: str
    line: int
    function: str
    count: int
