# ruff: noqa: INP001 - a script that stands alone
"""Check that a tag may be released: `release.py v1.2.3`.

The tag must be the package's version, and the changelog must have a section for it.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def problems(tag: str, root: Path = ROOT) -> list[str]:
    """Return what stands against releasing a tag; empty if nothing does."""
    project = tomllib.loads((root / "straingauge" / "pyproject.toml").read_text())["project"]
    version = project["version"]
    found = []
    if tag != f"v{version}":
        found.append(f"the tag is {tag}, but straingauge/pyproject.toml has version {version}")
    changelog = (root / "CHANGELOG.md").read_text()
    if not re.search(rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md has no section `## {version} - YYYY-MM-DD`")
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if found := problems(sys.argv[1]):
        sys.exit("\n".join(found))
