import os
import re
import signal
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest
from counting_service import Service
from formats import conforming
from load_project import LOAD, LONG, QUICK, Project, wait_until

pytestmark = pytest.mark.e2e

pytest_plugins = ["pytester", "load_project"]


@pytest.mark.parametrize("processes", ["0", "3"])
def test_counts_match_the_service(project: Project, service: Service, processes: str):
    """For any number of processes, the result counts exactly the requests that were served."""
    before = service.counts()["/hello"]
    project.run(QUICK, "-n", processes).assert_outcomes(passed=1)
    (result,) = project.results()
    assert service.counts()["/hello"] - before == 300
    assert result["metrics"]["total_requests"] == 300
    assert result["status_codes"] == {"200": 300}
    assert result["verdict"]["grade"] == "not_judged"


def test_without_xdist(project: Project):
    """Load tests run without xdist and thresholds; a single test writes no summary."""
    (project.path / "thresholds.toml").unlink()
    outcome = project.run(QUICK)
    outcome.assert_outcomes(passed=1)
    (page,) = (project.path / "results").glob("report_*.html")
    assert "quick was not judged" in page.read_text()
    outcome.stdout.fnmatch_lines([f"report   {page}"])
    assert not list((project.path / "results").glob("summary_*"))
    assert project.results()[0]["metrics"]["total_requests"] == 300


def test_one_result_for_each_test(project: Project):
    """With -n, each load test is reported once, other tests run once, and JUnit has each once."""
    tests = QUICK + QUICK.replace("quick", "again")
    tests += '\n@pytest.mark.parametrize("n", range(7))\ndef test_other(n):\n'
    tests += '    with open("ran", "a") as file: file.write(f"{n}\\n")\n'
    outcome = project.run(tests, "-n", "2", "-v", "--junitxml=junit.xml")
    outcome.assert_outcomes(passed=9)
    junit = ET.parse(project.path / "junit.xml").getroot()  # noqa: S314  our own
    cases = [*junit.iter("testcase")]
    names = sorted(case.get("name") or "" for case in cases)
    assert names == sorted(["test_quick", "test_again", *(f"test_other[{n}]" for n in range(7))])
    properties = [
        {each.get("name"): each.get("value") for each in case.iter("property")} for case in cases
    ]
    (quick,) = (
        each
        for case, each in zip(cases, properties, strict=True)
        if case.get("name") == "test_quick"
    )
    assert (quick["grade"], quick["requests"], quick["error_rate_percent"]) == (
        "not_judged",
        "300",
        "0.0",
    )
    assert (project.path / "results" / quick["result_file"]).exists()
    assert float(quick["p50_ms"] or 0) <= float(quick["p95_ms"] or 0)
    assert sorted((project.path / "ran").read_text().split()) == list("0123456")
    percentages = [int(found) for found in re.findall(r"\[ *(\d+)%\]", outcome.stdout.str())]
    assert percentages == sorted(percentages)
    assert percentages[-1] == 100
    assert len(project.results()) == 2
    _check_summary(project, outcome)


def _check_summary(project: Project, outcome: pytest.RunResult) -> None:
    """A session writes one summary of all results, and names it."""
    (path,) = (project.path / "results").glob("summary_*.json")
    outcome.stdout.fnmatch_lines([f"summary  {path}"])
    tests = conforming(path)["tests"]
    assert [(test["name"], test["grade"]) for test in tests] == [
        ("quick", "not_judged"),
        ("again", "not_judged"),
    ]
    assert {path.parent / test["file"] for test in tests} < set(path.parent.glob("*.json"))


def test_stock_scheduling_without_load_tests(project: Project):
    """Without load tests, xdist distributes tests as usual."""
    tests = '\n@pytest.mark.parametrize("n", range(7))\ndef test_other(n): pass\n' + QUICK
    project.run(tests, "-n", "2", "-k", "other").assert_outcomes(passed=7)
    assert not project.results()


def test_idle_processes_are_named(project: Project):
    """Processes beyond the cores or users get no share, and the result says so."""
    one_user = QUICK.replace("users=20", "users=1")
    project.run(one_user, "-n", "2").assert_outcomes(passed=1)
    (result,) = project.results()
    (idle,) = (r for r in result["validity"]["reasons"] if r["reason"] == "idle_processes")
    assert idle["message"].startswith("1 of 2 processes")


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_detected_warm_up_is_reported(project: Project, processes: str):
    """With warm_up="detect" the result has length and reason of the warm-up, and every request."""
    tests = QUICK.replace("users=20", 'users=20, warm_up="detect"')
    project.run(tests, "-n", processes).assert_outcomes(passed=1)
    (result,) = project.results()
    warmup = result["metrics"]["warmup"]
    assert warmup["reason"]
    assert warmup["requests"] + result["metrics"]["total_requests"] == 300
    assert result["configuration"]["warm_up"] == "detect"
    assert result["phases"].keys() == ({"warmup"} if warmup["duration_s"] else set())


def test_warm_up_detection_needs_a_steady_load(project: Project, service: Service):
    """Detection in a ramp is an error before anything is sent."""
    schedule = "schedule.ramp(from_per_s=300, to_per_s=1, duration_s=1)"
    tests = "from straingauge import schedule\n" + LOAD.format(
        name="ramp", journey="hello", schedule=schedule, users='20, warm_up="detect"'
    )
    before = service.counts()["/hello"]
    outcome = project.run(tests, "-n", "0")
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*no warm-up can be detected in a ramp*"])
    assert service.counts()["/hello"] == before


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_critical_threshold_fails_the_test(project: Project, processes: str):
    """A critical threshold fails the test with its value, and without a traceback."""
    outcome = project.run(QUICK.replace("hello", "boom"), "-n", processes)
    outcome.assert_outcomes(failed=1)
    output = outcome.stdout.str()
    assert "errors 100 %, critical from 10 %" in output
    assert "Traceback" not in output
    assert "load.py" not in output
    assert project.results()[0]["verdict"]["grade"] == "critical"


def test_a_finding_is_part_of_the_verdict(project: Project):
    """A finding that a test passes is an entry of the verdict, like a threshold."""
    judge = 'load.judge(run, [Finding("first 429", "critical", "came at request 131")])'
    tests = QUICK.replace("load.judge(", "run = (").rstrip() + f"\n    {judge}\n"
    outcome = project.run(tests, "-n", "0")
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*came at request 131*"])


def test_a_failed_verification_is_critical(project: Project):
    """Failed requests of the verification fail the test, however fast the load was."""
    outcome = project.run(QUICK.replace("users=20", "users=20, verify=boom"), "-n", "2")
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*20 of 20 requests after the load failed*"])
    assert project.results()[0]["phases"]["verify"]["total_requests"] == 20


def test_waves_end_when_percentiles_are_precise(project: Project, service: Service):
    """Waves end early, in all processes together, when the merged percentiles are precise."""
    schedule = "waves(concurrent=40, every_s=0.01, at_least=2, at_most=100000)"
    tests = LOAD.format(name="waves", journey="hello", schedule=schedule, users=40)
    before = service.counts()["/hello"]
    project.run(tests, "-n", "2").assert_outcomes(passed=1)
    (result,) = project.results()
    assert 80 <= result["metrics"]["total_requests"] < 4_000_000
    assert service.counts()["/hello"] - before == result["metrics"]["total_requests"]


def test_metric_names_are_configurable(project: Project):
    """[observe] of the nearest straingauge.toml defines the names of the service's metrics."""
    table = '[observe]\npool_in_use = "db_pool_size"\n'
    (project.path / "straingauge.toml").write_text(table)
    project.run(QUICK, "-n", "0").assert_outcomes(passed=1)
    assert project.results()[0]["resources"]["pool"]["peak_in_use"] == 7


def test_results_have_no_secrets(project: Project):
    """No token or password is in any output; a shared account is reported."""
    account = 'lambda index: {"password": "correct horse"}'
    tests = QUICK.replace("users=20", f"users=load.accounts({account}, 20, log_in=log_in)")
    project.run(tests, "-n", "0").assert_outcomes(passed=1)
    (written,) = (project.path / "results").glob("quick_*.json")
    page = next((project.path / "results").glob("report_*.html")).read_text()
    assert not re.search(r"eyJ|secretsecret|correct horse", written.read_text())
    assert "eyJ" not in page
    assert "secretsecret" not in page
    reasons = [reason["reason"] for reason in project.results()[0]["validity"]["reasons"]]
    assert "single_account" in reasons


def test_fixture_error_is_reported_once(project: Project):
    """A fixture that fails in one process fails the test once, and no process waits."""
    fixture = """
@pytest.fixture
def broken():
    assert os.environ.get("PYTEST_XDIST_WORKER") != "gw1", "no luck here"
"""
    tests = fixture + QUICK.replace("(load)", "(load, broken)")
    outcome = project.run(tests, "-n", "2")
    outcome.assert_outcomes(errors=1)
    outcome.stdout.fnmatch_lines(["*no luck here*"])


def test_a_skipped_test_is_reported_once(project: Project):
    """A load test that is skipped is skipped once."""
    tests = QUICK.replace("@pytest.mark.load", '@pytest.mark.load\n@pytest.mark.skip("no")')
    project.run(tests, "-n", "2").assert_outcomes(skipped=1)


def test_no_load_starts_after_the_first_failure_with_x(project: Project, service: Service):
    """With -x no load starts after a failure, in any process; xdist may have begun the test."""
    tests = QUICK.replace("hello", "boom") + QUICK.replace("quick", "second")
    before = service.counts()["/hello"]
    outcome = project.run(tests, "-n", "2", "-x")
    assert outcome.parseoutcomes().keys() == {"failed"}
    assert service.counts()["/hello"] == before
    sent = [each["metrics"]["total_requests"] > 0 for each in project.results()]
    assert sent in ([True], [True, False])


def test_an_unreachable_target(project: Project):
    """A target where nothing listens is reported in one line with a hint."""
    outcome = project.run(QUICK, "-n", "2", "--load-host", "http://127.0.0.1:9")
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(
        [
            "*nothing responds at http://127.0.0.1:9 (Connection refused)*",
            "*try: start the service*",
        ]
    )
    assert "Traceback" not in outcome.stdout.str()


@pytest.mark.parametrize(
    ("processes", "thresholds", "message"),
    [
        ("2", "[all", "*thresholds.toml: not valid TOML*"),
        ("0", "[all]\np95 = 3", "*?all? p95: there is no metric here of that name*"),
        ("0", "[test.quik]", '*did you mean "quick"?*'),
        ("0", '[endpoint."GET /helo"]', '*did you mean "GET /hello"?*'),
    ],
)
def test_invalid_thresholds_send_nothing(
    project: Project, service: Service, processes: str, thresholds: str, message: str
):
    """An error in the thresholds file fails the test before anything is sent."""
    project.thresholds(thresholds)
    before = service.counts()["/hello"]
    tests = QUICK.replace("mark.load", 'mark.load(endpoints=["GET /hello"])')
    outcome = project.run(tests, "-n", processes)
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines([message])
    assert service.counts()["/hello"] == before


def test_thresholds_may_have_tables_for_locust(project: Project):
    """A table for Locust's runs is allowed in the thresholds of load tests."""
    project.thresholds("[test.metrics]\np50_ms = { target = 0, warning = 0.001, critical = 0.002 }")
    project.run(QUICK, "-n", "0").assert_outcomes(passed=1)


def test_a_declared_endpoint_must_be_called(project: Project):
    """A threshold for a declared endpoint that was not called has no data, and fails."""
    project.thresholds('[endpoint."GET /other"]\np95_ms={target=1, warning=2, critical=3}')
    tests = QUICK.replace("mark.load", 'mark.load(endpoints=["GET /hello", "GET /other"])')
    outcome = project.run(tests, "-n", "0")
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*GET /other: p95 has a threshold, but no data*"])


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_full_disk_still_shows_the_statistics(project: Project, processes: str):
    """A result that cannot be written is reported with file name, verdict and statistics."""
    full_disk = """
import resource

@pytest.fixture(autouse=True)
def full_disk():
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
"""
    outcome = project.run(full_disk + QUICK, "-n", processes)
    outcome.assert_outcomes(failed=1)
    cannot = r"cannot write the result of quick to .*/results/quick_\d+_\d+\.json: File too large"
    error, summary = outcome.stdout.str().split("= load tests =")
    assert re.search(cannot, error)
    assert "quick: 300 requests" in error
    assert re.search(cannot, summary)
    assert re.search(r"quick +not judged +300 ", summary)
    assert "ended before" not in summary
    assert not project.results()


@pytest.mark.parametrize("processes", ["0", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_kept(
    project: Project, service: Service, processes: str, number: signal.Signals
):
    """Ctrl-C or SIGTERM during the load leaves a result file with the data until then."""
    before = service.counts()["/hello"]
    session = project.start(LONG, "-n", processes)
    wait_until(lambda: service.counts()["/hello"] - before > 200)
    os.killpg(session.pid, number) if number == signal.SIGINT else session.send_signal(number)
    output, _ = session.communicate(timeout=180)
    assert session.returncode == pytest.ExitCode.INTERRUPTED, output
    (result,) = project.results()
    assert result["verdict"]["grade"] == "invalid"
    assert "interrupted" in [reason["reason"] for reason in result["validity"]["reasons"]]
    assert 0 < result["metrics"]["total_requests"] < 6000


def test_the_plugin_imports_no_heavy_modules():
    """The plugin imports nothing heavy, because every pytest session loads it."""
    program = """
import sys
import straingauge.pytest_plugin
print(sorted({"numpy", "rich", "asyncio", "psutil", "uvloop"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
