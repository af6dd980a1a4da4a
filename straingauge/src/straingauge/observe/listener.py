"""The process that listens at a URL, for a reader to recognise it."""

from contextlib import suppress
from itertools import pairwise
from pathlib import PurePath
from typing import Final

import psutil

from straingauge.observe.process import ServiceProcesses

_INTERPRETERS: Final = ("python", "node", "ruby", "java", "perl", "php", "bash", "sh")


def describe_listener(url: str) -> str:
    """Return " (NAME, pid N)" of the process that listens at a URL; empty if it is not known."""
    root = ServiceProcesses(url).root
    if root is None:
        return ""
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return f" ({name_of(root.name(), root.cmdline())}, pid {root.pid})"
    return ""


def name_of(program: str, command: list[str]) -> str:
    """Name a program; an interpreter by the script or module that it runs."""
    if not program.startswith(_INTERPRETERS):
        return program
    for word, following in pairwise([*command[1:], ""]):
        if word == "-m" and following:
            return following
        if word == "-c":
            return program
        if word and not word.startswith("-"):
            return PurePath(word).name
    return program
