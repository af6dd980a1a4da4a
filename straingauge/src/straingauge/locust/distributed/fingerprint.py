"""Which version of the load test a process has: fingerprints of its own modules."""

import hashlib
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

Files = Mapping[str, str]
"""Module name -> fingerprint of its source."""

_INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib")
_NOT_OURS = tuple({sysconfig.get_path(name) for name in _INSTALLED})
_TOOLS = frozenset({"straingauge", "locust", "__main__"})


def modules_below(folder: Path) -> Files:
    """The modules imported from a folder: the locustfile's own, and the journeys beside it."""
    here = str(folder.resolve()) + "/"
    return {name: print_ for name, (path, print_) in _imported().items() if path.startswith(here)}


def all_modules() -> Files:
    """Every module of this process that nobody installed, wherever it lies."""
    return {name: print_ for name, (_, print_) in _imported().items()}


def fingerprint(source: Path) -> str:
    """Of one file."""
    return hashlib.sha256(source.read_bytes()).hexdigest()[:16]


def differing(ours: Files, theirs: Files) -> list[str]:
    """Those of our modules that the other has not, or not in this version."""
    return sorted(name for name in ours if ours[name] != theirs.get(name))


def _imported() -> dict[str, tuple[str, str]]:
    found = {}
    for name, module in list(sys.modules.items()):
        path = _source(name, module)
        if path is not None:
            found[name] = str(path), fingerprint(path)
    return found


def _source(name: str, module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    if name.partition(".")[0] in _TOOLS or not file or not file.endswith(".py"):
        return None
    path = Path(file).resolve()
    return None if str(path).startswith(_NOT_OURS) or not path.is_file() else path
