"""`deploy/sizing.py`: the number of workers for a rate."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from deployment import DEPLOY


def size(path: Path, rate: float) -> "subprocess.CompletedProcess[str]":
    """Run the script on a result file."""
    words = [sys.executable, str(DEPLOY / "sizing.py"), str(path), "--rate", str(rate)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def write(path: Path, *processes: tuple[int, float], duration_s: float = 10.0) -> Path:
    """Write a result of processes, each with its requests and its CPU usage in percent."""
    parts = {str(n): {"sent": sent, "cpu_percent": cpu} for n, (sent, cpu) in enumerate(processes)}
    result = {
        "metrics": {"duration_s": duration_s},
        "resources": {"generator": {"processes": parts}},
    }
    path.write_text(json.dumps(result))
    return path


@pytest.mark.parametrize(("rate", "count"), [(1, 1), (700, 1), (701, 2), (7000, 10)])
def test_workers_for_a_rate(tmp_path: Path, rate: float, count: int):
    """500 requests/s with half a core in total is 1,000/s per core and 700/s per worker."""
    done = size(write(tmp_path / "a.json", (2000, 20.0), (3000, 30.0)), rate)
    assert done.returncode == 0, done.stderr
    assert "1000 requests/s per core" in done.stdout
    assert done.stdout.endswith(f"WORKERS={count}\n")


def test_idle_generator_is_rejected(tmp_path: Path):
    """A result of a nearly idle generator is rejected."""
    done = size(write(tmp_path / "a.json", (100, 1.0)), 1000)
    assert done.returncode == 1
    assert "too little for an estimate: use more users" in done.stderr


@pytest.mark.parametrize("text", ["{}", "[]", "", '{"resources": null}'])
def test_other_file_is_rejected(tmp_path: Path, text: str):
    """A file that is not a result is reported in one line."""
    path = tmp_path / "a.json"
    path.write_text(text)
    done = size(path, 1000)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert str(path) in done.stderr
