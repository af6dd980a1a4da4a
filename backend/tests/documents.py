"""The documentation of the repository."""

from tests.performance.fault_injection.suite import BACKEND

ROOT = BACKEND.parent


PAGES = {
    f"{folder}/{path.stem}": path.read_text()
    for folder in ("how-to", "concepts", "therapybridge")
    for path in sorted((ROOT / "docs" / folder).glob("*.md"))
}
"""The pages that are executed in `backend/`, by path; a tutorial is executed in its example."""
