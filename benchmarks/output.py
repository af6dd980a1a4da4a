"""The folder that results are written to."""

import argparse
import json
from pathlib import Path
from typing import Any

import page

HERE = Path(__file__).resolve().parent
COMMITTED = HERE / "results"
PAGE = HERE.parent / "docs" / "speed.md"
CURVES = HERE.parent / "docs" / "curves.svg"
BUILD = HERE.parent / "build" / "benchmarks"


def add_keep_option(parser: argparse.ArgumentParser) -> None:
    """Add --keep, without which git's files stay as they are."""
    parser.add_argument(
        "--keep",
        action="store_true",
        help="update the committed files in benchmarks/results (default: build/benchmarks)",
    )


def results_folder(*, keep: bool) -> Path:
    """The folder for result files, which exists."""
    folder = COMMITTED if keep else BUILD
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_speed(cases: dict[str, Any], *, keep: bool) -> Path:
    """Write cases to speed.json, next to those that were measured before; return its path.

    With `keep`, the page of results is updated too.
    """
    file = results_folder(keep=keep) / "speed.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    known |= cases
    file.write_text(json.dumps(known, indent=1) + "\n")
    if keep:
        PAGE.write_text(page.with_results(PAGE.read_text(), known))
    return file
