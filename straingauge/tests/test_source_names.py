from pathlib import Path

import pytest
from straingauge.pytest_plugin.source_names import SourceNames, folder_of_tests

SOURCE = """
import subprocess
def test_steady(load, rate):
    load.run(f"steady_{rate}", look, spread(count=rate, duration_s=1))
class TestSearch:
    async def test_search(self, load, name):
        go(load, "by_author")
def look(user):
    yield user.get("/books")
    yield user.post(f"/books/{isbn}/copies")
    yield user.get(path, name="GET /books/{isbn}")
    yield user.get(f"{BASE}", name=f"{a} {b}")
    print(f"{user}: {user}", subprocess.run(command(), check=True))
"""


@pytest.fixture
def names(tmp_path: Path) -> SourceNames:
    """Collect the names of one file with tests, one that is not Python, and an ignored folder."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "test_it.py").write_text(SOURCE)
    (tmp_path / "broken.py").write_text("def test_broken(:")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "x.py").write_text("def test_ignored(): pass")
    return SourceNames.below(tmp_path, ("node_modules",))


@pytest.mark.parametrize(
    "name",
    ["steady", "test_steady[10]", "steady_10", "steady_50", "search", "search[x/y]", "by_author"],
)
def test_names_of_tests(names: SourceNames, name: str):
    """Functions, literals and f-strings are names of load tests."""
    assert names.has_test(name)


@pytest.mark.parametrize("name", ["stedy", "stedy_10", "by_auhtor", "broken", "ignored", "10"])
def test_misspelt_tests(names: SourceNames, name: str):
    """Nothing else is."""
    assert not names.has_test(name)


@pytest.mark.parametrize("name", ["GET /books", "POST /books/7/copies", "GET /books/{isbn}"])
def test_names_of_endpoints(names: SourceNames, name: str):
    """Requests of journeys and names with a method are names of endpoints."""
    assert names.has_endpoint(name)


@pytest.mark.parametrize("name", ["GET /boks", "POST /books", "PUT /books/{isbn}"])
def test_misspelt_endpoints(names: SourceNames, name: str):
    """A path with another method is no name of an endpoint."""
    assert not names.has_endpoint(name)


@pytest.mark.parametrize("name", ['"a_" + str(n)', "name_of(n)", "NAMES[n]"])
def test_computed_names(tmp_path: Path, name: str):
    """If a name is computed, any may be right."""
    (tmp_path / "test_it.py").write_text(f"def test_it(load): load.run({name}, look, s)\n")
    assert SourceNames.below(tmp_path).has_test("anything")


@pytest.mark.parametrize(
    ("thresholds", "project", "folder"),
    [
        ("/p/load/a/thresholds.toml", None, "/p/load/a"),
        ("/p/load/a/thresholds.toml", "/elsewhere", "/p/load/a"),
        ("/p/load/thresholds.toml", "/p", "/p/load"),
        ("/p/load/b/../thresholds.toml", "/p", "/p/load"),
        ("/p/limits/thresholds.toml", "/p", "/p"),
        ("/thresholds.toml", "/p", "/p"),
        ("/p/limits/thresholds.toml", None, "/p/load/a"),
        ("/p/limits/thresholds.toml", "/elsewhere", "/p/load/a"),
    ],
)
def test_the_folder_of_tests(thresholds: str, project: str | None, folder: str):
    """Names are looked for next to the tests or in their project, wherever pytest's root is."""
    root = None if project is None else Path(project)
    assert folder_of_tests(Path(thresholds), Path("/p/load/a/test_it.py"), root) == Path(folder)
