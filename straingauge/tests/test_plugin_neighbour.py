"""Sessions whose tests, options, marks or fixtures are not about load, or not only."""

import pytest
from load_project import QUICK, Project
from straingauge.pytest_plugin.options import _OPTIONS

pytestmark = pytest.mark.e2e

pytest_plugins = ["pytester", "load_project"]

ORDER = """
def note(what):
    with open("ran", "a") as file: file.write(what + " ")
"""
FOREIGN_MARK = (
    ORDER
    + """
@pytest.mark.load(level="heavy")
def test_first(): note("first")
def test_second(): note("second")
@pytest.mark.load
class TestThird:
    def test_third(self, tmp_path): note("third")
"""
)


def ran(project: Project) -> list[str]:
    """Return the tests that ran, in their order."""
    return (project.path / "ran").read_text().split()


def conftest(project: Project, text: str) -> None:
    """Write a conftest.py."""
    (project.path / "conftest.py").write_text(text)


def test_a_foreign_mark_makes_no_load_test(project: Project):
    """Tests that only have a mark `load` run in their place."""
    project.run(FOREIGN_MARK).assert_outcomes(passed=3)
    assert ran(project) == ["first", "second", "third"]


def test_a_foreign_mark_with_xdist(project: Project):
    """Tests that only have a mark `load` run once with -n, next to a load test without the mark."""
    tests = FOREIGN_MARK + QUICK.replace("@pytest.mark.load\n", "")
    project.run(tests, "-n", "2").assert_outcomes(passed=4)
    assert sorted(ran(project)) == ["first", "second", "third"]
    assert len(project.results()) == 1


FIXTURE = """
import pytest
@pytest.fixture
def load(): return 7
"""


def test_a_fixture_of_the_project_comes_first(project: Project):
    """A fixture `load`, or a parameter of that name, hides the plugin's."""
    conftest(project, FIXTURE)
    tests = """
def test_own(load): assert load == 7
@pytest.mark.parametrize("load", [1, 2])
def test_parameter(load): assert load in (1, 2)
"""
    project.run(tests, "-n", "2").assert_outcomes(passed=3)


def test_a_fixture_of_another_plugin(project: Project):
    """If another plugin has a fixture `load`, tests with the mark get straingauge's."""
    (project.path / "other.py").write_text(FIXTURE)
    tests = QUICK + "\ndef test_other(load): assert load == 7\n"
    project.run(tests, "-p", "other").assert_outcomes(passed=2)
    assert len(project.results()) == 1


@pytest.mark.parametrize(
    ("tests", "passed"),
    [
        (
            "class TestLoads:\n  pytestmark = pytest.mark.load\n  def test_x(self, load): go(load)",
            1,
        ),
        (
            "import unittest\nclass TestX(unittest.TestCase):\n"
            "  @pytest.fixture(autouse=True)\n  def keep(self, load): self.load = load\n"
            "  def test_x(self): go(self.load)",
            1,
        ),
        ("@pytest.fixture\ndef load(load): return load\ndef test_x(load): go(load)", 1),
        ("@pytest.fixture\ndef heavy(load): return load\ndef test_x(heavy): go(heavy)", 1),
    ],
    ids=["class", "unittest", "overridden", "through a fixture"],
)
@pytest.mark.parametrize("processes", ["0", "2"])
def test_load_tests_of_any_shape(project: Project, tests: str, passed: int, processes: str):
    """A test is a load test if it uses the fixture, wherever it stands."""
    go = 'def go(load): load.judge(load.run("x", hello, spread(count=10, duration_s=0.1), users=2))'
    project.run(f"{go}\n{tests}", "-n", processes).assert_outcomes(passed=passed)
    assert [result["metrics"]["total_requests"] for result in project.results()] == [10]


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_late_request_for_the_fixture(project: Project, processes: str):
    """A test that gets the fixture by getfixturevalue fails with a sentence, as a doctest does."""
    tests = "def test_x(request): request.getfixturevalue('load')\n"
    tests += "def documented():\n    '''\n    >>> getfixture('load')\n    '''\n"
    outcome = project.run(tests, "-n", processes, "--doctest-modules")
    outcome.assert_outcomes(failed=2)
    outcome.stdout.fnmatch_lines(["*test_x uses `load` through getfixturevalue: name it as a*"])


def test_options_of_a_project_come_first(project: Project):
    """A conftest.py may have options of the same names; they keep their values."""
    names = [*_OPTIONS, "--database-url"]
    added = "".join(f"; parser.addoption({name!r}, dest={name[2:]!r})" for name in names)
    conftest(project, f"def pytest_addoption(parser): pass{added}")
    project.write(
        f"def test_x(request): assert {{*map(request.config.getoption, {names})}} == {{'it'}}"
    )
    given = [word for name in names for word in (name, "it")]
    project.session(*given).assert_outcomes(passed=1)


def test_options_of_another_plugin(project: Project, monkeypatch: pytest.MonkeyPatch):
    """An option that another plugin has taken is not straingauge's, and load tests say so."""
    (project.path / "other.py").write_text(
        "def pytest_addoption(parser): parser.addoption('--load-results')"
    )
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p other")  # before straingauge, as any -p
    outcome = project.run(QUICK, "--load-results", "elsewhere")
    outcome.assert_outcomes(passed=1)
    outcome.stdout.fnmatch_lines(["--load-results belongs to a conftest.py or another plugin*"])
    assert len(project.results()) == 1


def test_a_process_id_is_a_number(project: Project):
    """A --load-server-pid that is no process id fails the test before anything is sent."""
    outcome = project.run(QUICK, "--load-server-pid", "x7")
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*--load-server-pid x7: not a process id*"])


@pytest.mark.parametrize("endpoints", ['"GET /hello"', "[7]", "5"])
def test_endpoints_of_the_mark_are_names(project: Project, endpoints: str):
    """Endpoints that are not a list of names fail the test with an example."""
    outcome = project.run(QUICK.replace("mark.load", f"mark.load(endpoints={endpoints})"))
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*endpoints of the mark `load`*"])
    assert not project.results()


MARGINS = "error_rate_percent = { target = 1, warning = 5, critical = 10 }\n"
NAMED = """
@pytest.mark.load(endpoints=["GET /hello"])
@pytest.mark.parametrize("path", ["/orders[bold]"])
def test_names(load, request, path):
    load.judge(load.run(request.node.name, hello, spread(count=10, duration_s=0.1), users=2))
"""


def test_names_of_parametrized_tests(project: Project):
    """A name with brackets and slashes is shown as it is, and its file has a safe name."""
    tables = ["names[/orders[bold]]", "elsewhere", "steady_10"]
    texts = [f'[test."{name}"]\n{MARGINS}' for name in tables]
    project.thresholds("".join([*texts, f'[endpoint."POST /y"]\n{MARGINS}']))
    (project.path / "test_other.py").write_text(
        'def test_elsewhere(load): load.run(f"steady_{rate}", look, schedule)\n'
        'def look(user): yield user.post("/y")\n'
    )
    outcome = project.run(NAMED, f"--deselect={project.path / 'test_other.py'}", "-k", "names")
    outcome.assert_outcomes(passed=1, deselected=1)
    outcome.stdout.fnmatch_lines(["test_names[[]/orders[[]bold]] *10*"])
    (file,) = (project.path / "results").glob("test_names__orders_bold___*.json")
    assert project.results()[0]["name"] == "test_names[/orders[bold]]"
    assert file.parent == project.path / "results"


@pytest.mark.parametrize("name", ['""', '"a\\nb"', "None"])
def test_a_name_is_text_on_one_line(project: Project, name: str):
    """A run without a name, or with one of two lines, fails before anything is sent."""
    outcome = project.run(NAMED.replace("request.node.name", name))
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*cannot be the name of a run: it must be text on one line"])
    assert not project.results()


@pytest.mark.parametrize("processes", ["0", "2"])
def test_async_code_cannot_run_a_load(project: Project, processes: str):
    """A load inside an event loop fails the test with a sentence."""
    tests = """
import asyncio
def test_x(load):
    async def main(): load.run("x", hello, spread(count=10, duration_s=0.1), users=2)
    asyncio.run(main())
"""
    outcome = project.run(tests, "-n", processes)
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*test_x: async code cannot call load.run*"])


REPEATING = """
def pytest_runtest_protocol(item):
    open("repeated", "a").write(item.name + " ")
"""


@pytest.mark.parametrize("processes", ["0", "2"])
def test_load_tests_are_not_repeated(project: Project, processes: str):
    """Plugins that repeat failed tests see ordinary tests only, and a failure says so."""
    conftest(project, REPEATING)
    tests = "\ndef test_other(): pass\n" + QUICK.replace("mark.load", "mark.flaky(reruns=2)")
    tests += "\n    assert False\n"
    outcome = project.run(tests, "-n", processes, "-W", "ignore::pytest.PytestUnknownMarkWarning")
    outcome.assert_outcomes(passed=1, failed=1)
    outcome.stdout.fnmatch_lines(["a load test is not repeated after a failure; run it again*"])
    assert (project.path / "repeated").read_text().split() == ["test_other"]


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_failure_of_the_plugin_fails_the_test(project: Project, processes: str):
    """A fault of the plugin itself fails the load test with a sentence; the session goes on."""
    conftest(
        project,
        """
from straingauge.result import format as results
def broken(path): raise TypeError("broken inside")
results.read = broken
""",
    )
    outcome = project.run("\ndef test_other(): pass\n" + QUICK, "-n", processes)
    outcome.assert_outcomes(passed=1, failed=1)
    outcome.stdout.fnmatch_lines(["straingauge failed itself: TypeError: broken inside (*"])
    assert "INTERNALERROR" not in outcome.stdout.str()
