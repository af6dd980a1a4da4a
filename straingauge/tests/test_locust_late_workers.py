"""Users for a Locust worker that joins while those of the others are being spawned."""

from textwrap import indent

import pytest
from locust_caller import Locust

CALL = """
from types import SimpleNamespace
from unittest import mock
from straingauge.workers.worker_registry import WorkerRegistry
from straingauge.locust.distributed import master

started = []
client = SimpleNamespace(state="running", user_count=0)
role = master.MasterRole.__new__(master.MasterRole)
role.workers, role._run_id = WorkerRegistry(), 1
role.workers.start_run(1, ["late"], 1, 0)
role._runner = SimpleNamespace(
    clients={"late": client},
    spawning_completed=True,
    target_user_count=3,
    spawn_rate=1.0,
    start=lambda *order: started.append(order),
)

def during_the_sleep(seconds):
EVENT

with mock.patch.object(master.gevent, "sleep", during_the_sleep):
    role._spawn_late_users("late")
return str(started)
"""


@pytest.mark.parametrize(
    ("event", "started"),
    [
        ("pass", "[(3, 1.0)]"),
        ("client.user_count = 2", "[]"),
        ("role._runner.clients.clear()", "[]"),
        ("role.workers.end_run(1)", "[]"),
        ("role._run_id = 2; role.workers.start_run(2, ['late'], 1, 1)", "[]"),
    ],
    ids=["nothing", "has users", "gone", "run ended", "next run"],
)
def test_a_late_worker_gets_users_only_in_its_run(caller: Locust, event: str, started: str):
    """Locust spawns users for a worker without users, if it and its run are still there."""
    code = CALL.replace("EVENT", indent(event, "    "))
    assert caller.call("http://127.0.0.1:1", code).value == started
