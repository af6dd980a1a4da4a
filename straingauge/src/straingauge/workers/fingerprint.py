"""Fingerprints of a load test's own modules, by which two processes compare their versions."""

import hashlib
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

Fingerprints = Mapping[str, str]
"""Module name -> fingerprint of its source."""

_INSTALL_PATHS = ("stdlib", "platstdlib", "purelib", "platlib")
_INSTALLED = tuple({sysconfig.get_path(name) for name in _INSTALL_PATHS})
_TOOLS = frozenset({"straingauge", "locust", "__main__"})


def fingerprint_folder(folder: Path) -> Fingerprints:
    """Fingerprint the modules imported from a folder, such as the locustfile and its journeys."""
    prefix = str(folder.resolve()) + "/"
    return {name: digest for name, (path, digest) in _imported().items() if path.startswith(prefix)}


def fingerprint_modules() -> Fingerprints:
    """Fingerprint every module of this process that is not an installed package."""
    return {name: digest for name, (_, digest) in _imported().items()}


def fingerprint_file(source: Path) -> str:
    """Fingerprint one file."""
    return hashlib.sha256(source.read_bytes()).hexdigest()[:16]


def find_differences(ours: Fingerprints, theirs: Fingerprints) -> list[str]:
    """Name our modules that the other process lacks or has in another version."""
    return sorted(name for name in ours if ours[name] != theirs.get(name))


def _imported() -> dict[str, tuple[str, str]]:
    found = {}
    for name, module in list(sys.modules.items()):
        path = _source(name, module)
        if path is not None:
            found[name] = str(path), fingerprint_file(path)
    return found


def _source(name: str, module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    if name.partition(".")[0] in _TOOLS or not file or not file.endswith(".py"):
        return None
    path = Path(file).resolve()
    return None if str(path).startswith(_INSTALLED) or not path.is_file() else path
