"""Selection of the functions of a journey file, without a process or a load."""

from pathlib import Path

import pytest
from straingauge.cli.journey_file import JourneyFile, from_file, from_paths
from straingauge.errors import UsageError
from straingauge.journey.execution import journey_name

PLAIN = """
from straingauge.journey import mix, tagged, User

def account(index):
    return {"index": index}

def log_in(user):
    yield user.post("/login")

def read(user):
    yield user.get("/read")

def write(user):
    yield user.get("/write")

def _page(user):
    yield user.get("/page")

def no_journey(user):
    return user.get("/")
"""
TAGGED = PLAIN + "\nread = tagged('read', 'quick')(read)\n_page = tagged('page')(_page)\n"
MIXED = TAGGED + "\nmix = mix((write, 3), (read, 2))\n"


def journeys_of(folder: Path, text: str, *journeys: str, tags: tuple[str, ...] = ()) -> JourneyFile:
    """Load a journey file with a text."""
    path = folder / "some_journeys.py"
    path.write_text(text)
    return from_file(path, journeys, tags)


def weights(found: JourneyFile) -> dict[str, int]:
    """Return the weights of a file's journeys by name."""
    return {journey_name(journey): weight for journey, weight in found.journeys.weights}


@pytest.mark.parametrize(
    ("text", "journeys", "tags", "expected"),
    [
        (PLAIN, (), (), {"read": 1, "write": 1}),
        (TAGGED, (), (), {"read": 1, "_page": 1}),
        (MIXED, (), (), {"write": 3, "read": 2}),
        (MIXED, (), ("read",), {"read": 2}),
        (TAGGED, (), ("page", "quick"), {"read": 1, "_page": 1}),
        (MIXED, ("_page", "read=4"), (), {"_page": 1, "read": 4}),
        (MIXED, ("read=4", "write"), ("quick",), {"read": 4}),
    ],
)
def test_selection_of_journeys(
    tmp_path: Path,
    text: str,
    journeys: tuple[str, ...],
    tags: tuple[str, ...],
    expected: dict[str, int],
):
    """By default the mix, tagged or public generators are run; names and tags select from them."""
    assert weights(journeys_of(tmp_path, text, *journeys, tags=tags)) == expected


def test_account_log_in_and_verify_are_no_journeys(tmp_path: Path):
    """A file's account, log_in and verify are used for their purpose only, not as journeys."""
    found = journeys_of(tmp_path, PLAIN + "\ndef verify(user):\n    yield user.get('/all')\n")
    assert found.account is not None
    assert found.account(3) == {"index": 3}
    assert found.log_in is not None
    assert found.verify is not None
    assert set(weights(found)) == {"read", "write"}


def test_a_file_may_import_from_its_folder(tmp_path: Path):
    """A file imports from its folder; an imported function is a journey if it is tagged."""
    (tmp_path / "beside_journeys.py").write_text(TAGGED)
    assert weights(journeys_of(tmp_path, "from beside_journeys import read, write")) == {"read": 1}


@pytest.mark.parametrize(
    ("text", "journeys", "tags", "message"),
    [
        ("def look(user:\n", (), (), "some_journeys.py, line 1: "),
        ("import nowhere", (), (), "ModuleNotFoundError: No module named 'nowhere'"),
        ("x = 1\nexit(3)", (), (), "SystemExit: 3 ("),
        ("x = 1", (), (), "there is no journey in it; a journey is a generator function"),
        (PLAIN, ("raed",), (), "no journey 'raed' in it; did you mean read?"),
        (PLAIN, ("no_journey",), (), "no journey 'no_journey' in it"),
        (PLAIN, ("read=0",), (), "a weight is a whole number"),
        (TAGGED, (), ("quikc",), "is tagged quikc; known tags: page, quick, read"),
        (TAGGED, (), ("read", "raed"), "no journey is tagged raed"),
        (PLAIN + "\naccount = {}", (), (), "account must be a function"),
        (PLAIN + "\nendpoints = 'GET /'", (), (), "endpoints must be a list"),
    ],
)
def test_invalid_files_and_names_are_refused(
    tmp_path: Path,
    text: str,
    journeys: tuple[str, ...],
    tags: tuple[str, ...],
    message: str,
):
    """A file that cannot be run, and an unknown name or tag, is an error with its reason."""
    with pytest.raises(UsageError) as error:
        journeys_of(tmp_path, text, *journeys, tags=tags)
    assert message in f"{error.value}; {error.value.hint}"


def test_paths_are_journeys():
    """Paths need no file, and their endpoints are known before the run."""
    found = from_paths(["/a", "/b?x=1"])
    assert weights(found) == {"GET /a": 1, "GET /b?x=1": 1}
    assert found.endpoints == ["GET /a", "GET /b"]
    with pytest.raises(UsageError, match="begins with"):
        from_paths(["a"])
