"""The result of some hours of simulated time: `python day.py HOURS FOLDER`.

Prints the resident memory in bytes after each hour.
"""

import gc
import sys
from pathlib import Path

import psutil
from straingauge.result.format import write

sys.path.append(str(Path(__file__).resolve().parents[2]))
import report


def main() -> None:
    """Simulate the hours and write the result."""
    hours, folder = sys.argv[1:]
    memory_bytes: list[int] = []
    process = psutil.Process()

    def measure() -> None:
        gc.collect()
        memory_bytes.append(process.memory_info().rss)

    result = report.result(int(hours) * report.DURATION_S, measure)
    (Path(folder) / "results").mkdir()
    write(result, Path(folder) / "results")
    print(*memory_bytes)


if __name__ == "__main__":
    main()
