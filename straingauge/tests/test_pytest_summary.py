from formats import conforming
from load_project import LOAD, QUICK, Project
from straingauge.result import read_session

pytest_plugins = ["load_project", "pytester"]

BAD = LOAD.format(
    name="bad", journey="boom", schedule="spread(count=100, duration_s=0.5)", users=10
)


def test_a_session_of_several_load_tests_ends_with_one_summary(project: Project):
    """Beside the results there is one file for all, written by whoever controls the session."""
    ran = project.run(QUICK + BAD, "-n", "2")
    ran.assert_outcomes(passed=1, failed=1)
    (path,) = (project.path / "results").glob("summary_*.json")
    ran.stdout.fnmatch_lines([f"summary  {path}"])
    session = conforming(path)
    assert read_session(path) == session
    assert session["grade"] == "critical"
    assert [test["name"] for test in session["tests"]] == ["quick", "bad"]
    files = {test["file"] for test in session["tests"]}
    assert files == {file.name for file in path.parent.iterdir()} - {path.name}
    assert session["broke_first"]["test"] == "bad"
