"""The service's own code, as opposed to that of libraries."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path, PurePath
from typing import Final, NamedTuple

_INSTALLED: Final = re.compile(r"/(?:site|dist)-packages/([^/]+)")
_STANDARD: Final = re.compile(r"/lib(?:64)?/(?:python|pypy)\d(?:\.\d+)?/|\.zip/")
# Programs that run the code of a service; they are not its own code.
_SERVERS: Final = frozenset(
    {"celery", "daphne", "django", "flask", "granian", "gunicorn", "hypercorn"}
    | {"python", "straingauge", "uvicorn", "uwsgi", "waitress"}
)
_LOOP_FILES: Final = ("asyncio/runners.py", "asyncio/base_events.py", "uvloop/__init__.py")
_LOOP_FUNCTIONS: Final = ("asyncio_run", "run_until_complete", "run_forever")


class Frame(NamedTuple):
    """One frame of a stack.

    Attributes:
        file: Path of the file, as Python has it.
        line: The line.
        function: Name of the function.
    """

    file: str
    line: int
    function: str


class OwnCode:
    """Recognises the files of a service, and shortens their paths.

    Its own is what is not installed: neither in ``site-packages`` nor in the standard library. Of
    an installed service, the packages that its command names are its own as well.

    Args:
        folder: Working directory of the service.
        command: Its command line.
    """

    def __init__(self, folder: str, command: Sequence[str] = ()) -> None:
        self._folder = folder
        words = (re.split(r"[.:]", PurePath(word).name)[0].replace("-", "_") for word in command)
        self._packages = frozenset(words) - _SERVERS
        self.owns = cache(self._owns)
        self.shown = cache(self._shown)

    def _owns(self, file: str) -> bool:
        """Return True if a file belongs to the service."""
        if file.startswith("<") or not file.endswith((".py", ".pyx", ".ipynb")):
            return False
        installed = _INSTALLED.search(file)
        if installed:
            return installed[1].removesuffix(".py") in self._packages
        return not _STANDARD.search(file)

    def _shown(self, file: str) -> str:
        """Return a path relative to the root of the git repository it is in, or else unchanged.

        Of a library, only the path within it.
        """
        if (installed := _INSTALLED.search(file)) and not self.owns(file):
            return file[installed.start(1) :]
        if (standard := _STANDARD.search(file)) and not installed:
            return file[standard.end() :]
        path = Path(self._folder, file)
        root = next((each for each in path.parents if (each / ".git").exists()), None)
        return path.relative_to(root).as_posix() if root else path.as_posix()

    def nearest(self, stack: Sequence[Frame]) -> int | None:
        """Return the index of the service's own frame nearest to the innermost one, if any.

        In an event loop only frames of the loop's step count: what has started the loop does not
        run meanwhile.

        Args:
            stack: Frames, the outermost first.
        """
        for index in range(len(stack) - 1, -1, -1):
            if is_loop(stack[index]):
                return None
            if self.owns(stack[index].file):
                return index
        return None


def is_loop(frame: Frame) -> bool:
    """Return True for the frame of an event loop that runs its steps, or waits for some."""
    return frame.file.endswith(_LOOP_FILES) or frame.function.endswith(_LOOP_FUNCTIONS)
