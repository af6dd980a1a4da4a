"""`straingauge replay` against a server in this process."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from raw_server import answering, serve

pytestmark = pytest.mark.e2e

COMMAND = str(Path(sys.executable).with_name("straingauge"))
LINE = '{client} - - [10/Oct/2026:13:55:{second} +0000] "{request} HTTP/1.1" 200 12 "-" "curl/8"\n'


def line(client: int, second: int, request: str) -> str:
    """Write a line of the combined log format."""
    return LINE.format(client=f"192.0.2.{client}", second=second, request=request)


def test_a_log_is_replayed_with_its_timing_and_order_by_several_processes(tmp_path: Path):
    """Each session is sent in its order, reads alone, and the result shows the deviation."""
    log = tmp_path / "access.log"
    requests = [(n % 5, 10 + n // 40, f"GET /items/{n}?page={n}") for n in range(120)]
    log.write_text(
        "".join(line(*each) for each in requests)
        + line(1, 12, "POST /items")
        + "not a line of a log\n"
    )
    with serve(answering()) as server:
        ended = subprocess.run(
            [
                *(COMMAND, "replay", str(log), "--host", server.url),
                *("--processes", "2", "--speed", "2", "--results", str(tmp_path)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode in {0, 4}, ended.stderr  # a busy machine makes a run invalid
    assert "skipped  1 request: not GET or HEAD" in ended.stderr
    assert "deviation from the log's timing: p50" in ended.stdout
    sent = defaultdict(list)
    for each in sorted(server.requests, key=lambda each: each.at_ns):
        if each.target.startswith("/items/"):
            number = int(each.target.split("=")[1])
            sent[number % 5].append(number)
    assert {client: sorted(numbers) for client, numbers in sent.items()} == sent
    assert sorted(number for numbers in sent.values() for number in numbers) == list(range(120))
    assert not [each for each in server.requests if each.method == "POST"]
    (file,) = tmp_path.glob("access_*.json")
    result = json.loads(file.read_text())
    assert list(result["endpoints"]) == ["GET /items/{id}"]
    deviation = result["resources"]["generator"]["log_deviation_ms"]
    assert 0 <= deviation["p50"] <= deviation["p99"] <= deviation["max"]
