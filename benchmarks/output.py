"""The folder that results are written to."""

import argparse
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMMITTED = HERE / "results"
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
