"""`--load-export`: runs of Locust are exported while they go on."""

import json
from collections import Counter
from pathlib import Path

import pytest
from export_receiver import receiving
from locust_project import READER, Project, workers

pytestmark = pytest.mark.e2e

pytest_plugins = ["locust_project"]


@pytest.mark.parametrize("processes", [1, 2])
def test_exported_seconds_add_up_to_what_the_service_counted(
    locust_folder: Project, processes: int
):
    """Standalone and with workers, to a file and a URL at once; the result says so."""
    file = locust_folder.path / "seconds.jsonl"
    with receiving() as receiver:
        url = f"influx+http://127.0.0.1:{receiver.port}?db=load"
        names = ("--load-export", str(file), "--load-export", url)
        exit_ = locust_folder.run(READER, "--run-time", "3s", *names, *workers(processes))
        assert exit_.code == 0, exit_.output
        sent = b"".join(receiver.bodies).decode()
    seconds = [json.loads(line) for line in file.read_text().splitlines()]
    total: Counter[str] = Counter()
    for second in seconds:
        total.update({name: each["requests"] for name, each in second["endpoints"].items()})
    assert total == locust_folder.served()
    assert len(seconds) >= 2
    assert max(second["users"] for second in seconds) == 4
    assert {second["run"] for second in seconds} == {"metrics"}
    assert "straingauge_requests," in sent
    exports = locust_folder.result()["exports"]
    assert [(each["to"], each["failure"]) for each in exports] == [(str(file), None), (url, None)]
    assert all(each["seconds"] == len(seconds) for each in exports)


def test_reset_statistics_are_no_negative_second(locust_folder: Project):
    """After --reset-stats the export goes on with what is measured from then on."""
    file = locust_folder.path / "seconds.csv"
    exit_ = locust_folder.run(
        READER, "--run-time", "3s", "--reset-stats", "--load-export", str(file)
    )
    assert exit_.code == 0, exit_.output
    head, *rows = [line.split(",") for line in file.read_text().splitlines()]
    requests = [int(row[head.index("requests")]) for row in rows]
    assert all(each > 0 for each in requests)
    assert sum(requests) >= locust_folder.result()["metrics"]["total_requests"] > 0


@pytest.mark.parametrize("name", ["seconds.xml", "http://127.0.0.1:1", "no/such/folder/a.csv"])
def test_wrong_export_sends_nothing(locust_folder: Project, name: str):
    """A name without a known format, or in a folder that does not exist, is a usage error."""
    exit_ = locust_folder.run(READER, "--run-time", "1s", "--load-export", name)
    assert exit_.code == 2, exit_.output
    assert "--load-export" in exit_.output
    assert not locust_folder.served()
    assert not list(Path(locust_folder.path).glob("results/*"))
