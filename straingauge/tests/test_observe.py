import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from counting_service import Service, counting_service
from hypothesis import given
from hypothesis import strategies as st
from stack_tools import eventually
from straingauge.errors import UsageError
from straingauge.extras import install_command
from straingauge.observe import (
    MetricNames,
    MetricsClient,
    Observations,
    Observer,
    ProcessTable,
    ServiceProcesses,
    parse,
)
from straingauge.observe.sampler import HostSampler
from straingauge.process_start import process_age_s
from straingauge.result.assembly.resources import resources

# Serves from two processes that share one socket, and has a child that serves nothing but is big.
FAMILY = """
import os, socket, subprocess, sys, time
listening = socket.create_server(("127.0.0.1", 0))
if os.fork() == 0:
    time.sleep(600)
command = [sys.executable, "-c", "big = bytearray(80_000_000); print(1, flush=True); input()"]
helper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
helper.stdout.readline()
print(listening.getsockname()[1], flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service in a separate process."""
    with counting_service() as running:
        yield running


def test_process_that_listens_is_found(service: Service):
    """The service's process is the one that holds the listening socket of its port."""
    seen = ServiceProcesses(service.url).sample(ProcessTable.snapshot())
    assert seen is not None
    assert seen.pids == (service.process.pid,)
    assert seen.rss_bytes > 1e6
    assert seen.uss_bytes is not None
    assert seen.threads >= 1
    assert seen.open_files >= 3


def test_helpers_are_not_blamed_on_the_service():
    """Children without the socket (a job worker) are counted apart from what serves."""
    with subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as family:
        try:
            assert family.stdout is not None
            port = int(family.stdout.readline())
            seen = ServiceProcesses(f"http://127.0.0.1:{port}").sample(ProcessTable.snapshot())
        finally:
            os.killpg(family.pid, 9)
    assert seen is not None
    assert len(seen.pids) == 2
    assert seen.helpers == 1
    assert seen.helper_rss_bytes > 80e6
    assert seen.rss_bytes < 80e6


def test_the_exit_of_the_only_process_is_counted():
    """A service that ended counts as exited, also while its parent has not taken its exit code."""
    command = [sys.executable, "-c", FAMILY.replace("if os.fork() == 0:", "if False:")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as family:
        try:
            assert family.stdout is not None
            url = f"http://127.0.0.1:{int(family.stdout.readline())}"
            sampler = HostSampler(url, None, None)
            sampler.sample()
            sampler.begin()
            assert sampler.sample()["processes_exited"] == 0
            os.kill(family.pid, 9)

            def seen() -> tuple[float | None, bool]:
                sample = sampler.sample()
                return sample.get("processes_exited"), "rss_bytes" in sample

            assert eventually(lambda: seen() == (1, False))  # not waited for: it is a zombie
            family.wait()
            assert seen() == (1, False)
        finally:
            os.killpg(family.pid, 9)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://192.0.2.1:80", "another machine"),
        ("http://127.0.0.1:9", "no process of this user listens on port 9"),
    ],
)
def test_an_unobservable_service_has_a_reason(url: str, reason: str):
    """Without visible processes there are no statistics, but a reason."""
    processes = ServiceProcesses(url)
    assert processes.sample(ProcessTable.snapshot()) is None
    assert reason in (processes.unavailable or "")


def test_metrics_are_summed_over_workers(service: Service):
    """A gauge of several workers is their sum."""
    with closing(MetricsClient(service.url)) as page:
        metrics = page.fetch()
    assert metrics is not None
    assert (metrics["db_pool_in_use"], metrics["db_pool_size"]) == (0, 7)


def test_missing_metrics_are_said(service: Service):
    """A page that is not there is a reason, not a zero."""
    with closing(MetricsClient(service.url, "/status/404")) as page:
        assert page.fetch() is None
    assert page.unavailable == "GET /status/404 returned status 404"


def test_metrics_below_the_base_path(monkeypatch: pytest.MonkeyPatch):
    """The metrics of a service whose base URL has a path are at the root or below that path."""
    page = MetricsClient("http://127.0.0.1:9/api/", "/metrics")
    asked = []

    def get(path: str) -> tuple[int, None, bytes]:
        asked.append(path)
        return (200 if path == "/api/metrics" else 404), None, b"db_pool_size 7"

    monkeypatch.setattr(page, "_get", get)
    assert [page.fetch() for _ in range(2)] == [{"db_pool_size": 7}] * 2
    assert asked == ["/metrics", "/api/metrics", "/api/metrics"]


def test_a_redirect_of_the_service_is_followed(service: Service):
    """The metrics of a mounted application are at the path with a slash, where it redirects to."""
    with closing(MetricsClient(service.url, "/redirect/metrics")) as page:
        metrics = [page.fetch() for _ in range(2)]
    assert [each and each["db_pool_size"] for each in metrics] == [7, 7]
    with closing(MetricsClient(service.url, "/redirect//127.0.0.1:9/metrics")) as page:
        assert page.fetch() is None
    assert page.unavailable == "GET /redirect//127.0.0.1:9/metrics returned status 307"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('m{q="a"} 17 # {trace_id="x"} 1 1520879607.8', 17),
        ('m 17 # {trace_id="y"} 1', 17),
        ('m{q="a"} 17 1520879607.8 # {} 1', 17),
        ('m{path="/x/{id}"} 17', 17),
        ('m{path="/x} 3 # {\\"",q="}"} 17 # {a="}"} 4', 17),
        ('m{q="a\\\\"} 17', 17),
        ("m {} 17", 17),
        ('m\t{q="a"}\t1.7e1\t1520879607', 17),
        ("# HELP m 3\nm 17\n# EOF", 17),
        ("m_created 3\nm 17", 17),
        ('m{q="a"} 8\r\nm{q="b"} 9\r\n', 17),
        ("m NaN\nm +Inf\nm 17", 17),
    ],
)
def test_value_of_a_metric_is_its_samples(line: str, value: float):
    """Exemplars, times and odd label values never stand for the value of a sample."""
    assert parse(line)["m"] == value


@pytest.mark.parametrize(
    ("page", "values"),
    [
        (  # OpenTelemetry
            'db_client_connection_count{db_client_connection_state="used"} 3\n'
            'db_client_connection_count{db_client_connection_state="idle"} 2\n'
            "db_client_connection_max 10\ndb_client_connection_pending_requests 4\n",
            {"pool_in_use": 3, "pool_size": 10, "pool_waiters": 4},
        ),
        (  # OpenTelemetry's instrumentation of SQLAlchemy
            'db_client_connections_usage_connections{pool_name="a",state="idle"} 5\n'
            'db_client_connections_usage_connections{pool_name="a",state="used"} 1\n',
            {"pool_in_use": 1},
        ),
        (  # Micrometer
            'hikaricp_connections_active{pool="a"} 7.0\nhikaricp_connections_max{pool="a"} 8\n'
            'hikaricp_connections_pending{pool="a"} 1\n',
            {"pool_in_use": 7, "pool_size": 8, "pool_waiters": 1},
        ),
        (  # Go
            'go_sql_in_use_connections{db_name="a"} 2\ngo_sql_wait_count_total 5\n'
            "go_sql_wait_duration_seconds_total 0.5\n",
            {"pool_in_use": 2, "pool_waits": 5, "pool_wait_s": 0.5},
        ),
        ("db_pool_in_use 1\nhikaricp_connections_active 7\n", {"pool_in_use": 1}),
        ('db_client_connections_usage{state="idle"} 5\n', {}),
    ],
)
def test_metrics_of_common_exporters_are_known(page: str, values: dict[str, float]):
    """Pools are read from metrics of common exporters, unless the configured names are there."""
    assert MetricNames().service_metrics(parse(page)) == values


def test_process_metrics_of_opentelemetry_are_known():
    """Memory, CPU time and files of a remote service are read under OpenTelemetry's names, too."""
    page = (
        'process_memory_usage_bytes 5e6\nprocess_cpu_time_seconds_total{type="user"} 2\n'
        'process_cpu_time_seconds_total{type="system"} 1\nprocess_unix_file_descriptor_count 9\n'
    )
    assert MetricNames().processes(parse(page)) == {"rss_bytes": 5e6, "cpu_s": 3, "open_files": 9}


def test_states_of_a_metric_are_summed_separately():
    """A metric of OpenTelemetry with a label for the state has a sum for each state, too."""
    found = parse(
        'c{pool_name="a",state="used"} 3\nc{pool_name="b",state="used"} 4\nc{state="idle"} 5\n'
        'n{db_client_connection_state="used"} 2\n'
    )
    assert found == {
        "c": 12,
        'c{state="used"}': 7,
        'c{state="idle"}': 5,
        "n": 2,
        'n{state="used"}': 2,
    }


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://u:hush@127.0.0.1/d", "only PostgreSQL can be observed, not mysql"),
        ("postgresql://u:hush@127.0.0.1:1/d", "Connection refused"),
        ("u:hush@127.0.0.1/d", "the database URL is not valid"),
    ],
)
def test_a_database_that_is_not_observed_is_a_note(service: Service, url: str, reason: str):
    """A database that was never reached is among the run's notes, without its password."""
    with Observer(service.url, database_url=url) as observer:
        pass
    (note,) = observer.observations().unavailable
    assert reason in note
    assert "hush" not in note


def test_a_missing_driver_is_a_note(service: Service, monkeypatch: pytest.MonkeyPatch):
    """Without psycopg the run's notes say how to install it."""
    monkeypatch.delitem(sys.modules, "straingauge.observe.postgres", raising=False)
    for name in ("psycopg", "straingauge.observe.postgres_connection"):
        monkeypatch.setitem(sys.modules, name, None)
    with Observer(service.url, database_url="postgresql://u@127.0.0.1/d") as observer:
        pass
    (note,) = observer.observations().unavailable
    assert install_command("postgres") in note


@given(st.text())
def test_any_text_is_parsed(text: str):
    """No page, however broken, stops the observer."""
    parse(text)


def test_observer_keeps_the_clock_of_the_requests(service: Service):
    """Samples are stamped by the monotonic clock, in order, first to last of the observed time."""
    before_ns = time.monotonic_ns()
    with Observer(service.url) as observer:
        give_up = time.monotonic() + 30
        while len(observer.observations().samples) < 3:
            assert time.monotonic() < give_up
            time.sleep(0.05)
    watched = observer.observations()
    stamps = [sample["t_ns"] for sample in watched.samples]
    assert stamps == sorted(stamps)
    assert before_ns <= stamps[0]
    assert stamps[-1] <= time.monotonic_ns()
    assert watched.source == "process"
    assert watched.unavailable == []
    assert all({"rss_bytes", "cpu_s", "pool_in_use"} <= sample.keys() for sample in watched.samples)


def test_a_remote_service_is_observed_by_its_metrics(
    service: Service, monkeypatch: pytest.MonkeyPatch
):
    """If its processes are not visible, the service's own metrics are used."""
    monkeypatch.setattr(ServiceProcesses, "sample", lambda *_: None)
    names = MetricNames(resident_memory="db_pool_size", cpu_seconds="db_pool_wait_seconds_sum")
    with Observer(service.url, names) as observer:
        pass
    watched = observer.observations()
    assert watched.samples[-1]["rss_bytes"] == 7


def test_pool_under_other_names_is_not_seen(service: Service):
    """A pool with metrics of other names is reported as not visible."""
    with Observer(service.url, MetricNames(pool_in_use="other")) as observer:
        pass
    assert observer.observations().unavailable == [
        "the service exports no pool metrics: no other in its /metrics"
    ]


def test_unknown_name_in_observe_table():
    """A key in [observe] that means nothing is an error that names it."""
    with pytest.raises(UsageError, match="pool_in_used"):
        MetricNames.parse({"pool_in_used": "x"}, source="straingauge.toml")
    assert MetricNames.parse({"pool_in_use": "x"}, source="").pool_in_use == "x"


def test_counters_that_begin_anew_lose_nothing():
    """A pool's counters are differences over the run, also when a worker was replaced in it."""
    counts = [10, 14, 3, 5]
    samples = [
        {"t_ns": n, "pool_in_use": n, "pool_timeouts": count, "pool_size": 5}
        for n, count in enumerate(counts)
    ]
    pool = resources(Observations(samples, [], "metrics"), {}, 10)["pool"]
    assert (pool["timeouts"], pool["peak_in_use"]) == (4 + 3 + 2, 3)


def test_nothing_seen_is_nothing_said():
    """Without samples there is no memory and no pool: nothing is made up."""
    found = resources(Observations([], ["blind"], "nothing"), {}, 10)
    assert found["service"]["memory"] is None
    assert found["service"]["cpu_percent"] is None
    assert found["pool"] is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc here")
def test_the_age_of_a_process_ignores_the_wall_clock(monkeypatch: pytest.MonkeyPatch):
    """A step of the wall clock by an hour does not change the age of a process."""
    before_s = process_age_s(os.getpid())
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s - 3600)
    assert 0 < before_s <= process_age_s(os.getpid()) < before_s + 60
