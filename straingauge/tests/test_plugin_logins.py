"""Log-ins before a load test, in one process and in several."""

import pytest
from counting_service import Service
from load_project import QUICK, Project

pytestmark = pytest.mark.e2e

pytest_plugins = ["pytester", "load_project"]


def test_logins_are_reused_in_later_tests(project: Project, service: Service):
    """A user logs in once per session, for any number of load tests."""
    account = 'lambda index: {"password": "correct horse", "index": index}'
    tests = f"\naccount = {account}\n" + QUICK + QUICK.replace("quick", "again")
    tests = tests.replace("users=20", "users=load.accounts(account, 20, log_in=log_in)")
    before = service.counts()["/login"]
    project.run(tests, "-n", "2").assert_outcomes(passed=2)
    assert service.counts()["/login"] - before == 20


def test_a_log_in_may_recover_from_an_error(project: Project):
    """A log-in journey that handles a failed request is successful."""
    tests = """
from straingauge import RequestFailed

def stubborn(user):
    try:
        yield user.get("/status/503")
    except RequestFailed:
        yield user.get("/hello")
"""
    tests += QUICK.replace("users=20", "users=load.accounts(None, 20, log_in=stubborn)")
    project.run(tests, "-n", "0").assert_outcomes(passed=1)


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_failed_log_in_ends_the_others(project: Project, processes: str):
    """A log-in that raises with a hint ends all log-ins, and both texts are shown."""
    tests = """
from straingauge.errors import TargetError

def hopeless(user):
    if user.index == 4:
        raise TargetError("no such account", hint="make one")
    yield Pause(3600)
"""
    tests += QUICK.replace("users=20", "users=load.accounts(None, 20, log_in=hopeless)")
    outcome = project.run(tests, "-n", processes)
    outcome.assert_outcomes(failed=1)
    outcome.stdout.re_match_lines(
        [r".*a user could not log in at http://127\.0\.0\.1:\d+: no such account$"]
    )
    assert "Traceback" not in outcome.stdout.str()
    assert "try: make one" in outcome.stdout.str()


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_failed_log_in_sends_no_load(project: Project, service: Service, processes: str):
    """A log-in that fails in one process ends the test in all, with the error and no load."""
    account = 'lambda index: {"password": "wrong" if index == 1 else "correct horse"}'
    tests = QUICK.replace("users=20", f"users=load.accounts({account}, 20, log_in=log_in)")
    before = service.counts()["/hello"]
    outcome = project.run(tests, "-n", processes)
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*a user could not log in at*401*"])
    assert "Traceback" not in outcome.stdout.str()
    assert service.counts()["/hello"] == before
    (result,) = project.results()
    assert result["verdict"]["grade"] == "invalid"
    assert "setup_failed" in [reason["reason"] for reason in result["validity"]["reasons"]]
