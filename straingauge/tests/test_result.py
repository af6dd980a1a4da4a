import errno
import math
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from formats import whole
from straingauge.cpus import usable_cpus
from straingauge.errors import UsageError
from straingauge.result.assembly import environment
from straingauge.result.format import WriteError, read, write
from straingauge.result.format.names import file_stem
from straingauge.result.format.write import require_writable


def result(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  parts of a result
    """A whole result of that name and time."""
    return whole(name="health", started_at="2024-12-17T12:05:30+01:00", **changes)


def test_name_and_content(tmp_path: Path):
    """A result is written under its name and local start time, and read back as it was."""
    path = write(result(), tmp_path / "made" / "as needed")
    assert path.name == "health_20241217_120530.json"
    assert read(path) == result()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("test_get[/orders-10]", "test_get__orders-10_"),
        ("../../escaped", "_._.._escaped"),
        ('a\\b:c*d?"e<f>|g h', "a_b_c_d__e_f__g_h"),
        ("größe", "größe"),
        (".hidden", "_hidden"),
        ("-rf", "_rf"),
        ("é" * 300, "é" * 56),
    ],
)
def test_any_name_gives_a_file_name(tmp_path: Path, name: str, stem: str):
    """A result has any name; its file has what each file system and shell accepts of it."""
    path = write({**result(), "name": name}, tmp_path)
    assert path == tmp_path / f"{stem}_20241217_120530.json"
    assert read(path)["name"] == name


def test_names_that_the_encoding_of_file_names_lacks(monkeypatch: pytest.MonkeyPatch):
    """Characters that file names cannot have on this system become underscores."""
    monkeypatch.setattr(os, "fsencode", lambda text: text.encode("latin-1"))
    assert file_stem("größe 大") == "größe__"


def test_two_in_one_second(tmp_path: Path):
    """Of two runs in one second neither overwrites the other."""
    first = write(result(configuration={"users": 1}), tmp_path)
    second = write(result(configuration={"users": 2}), tmp_path)
    assert second.name == "health_20241217_120531.json"
    assert [read(path)["configuration"]["users"] for path in (first, second)] == [1, 2]


def test_directory_of_results_is_checked_before_the_load(tmp_path: Path):
    """A directory that cannot be created or written is found without touching it."""
    (tmp_path / "file").write_text("")
    require_writable(tmp_path / "new" / "folder")
    assert not (tmp_path / "new").exists()
    with pytest.raises(WriteError, match=r"file\): Not a directory") as error:
        require_writable(tmp_path / "file" / "results")
    assert "--results DIR" in (error.value.hint or "")


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "give yourself the permission"),
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "mount the file system for writing"),
    ],
)
def test_directory_that_refuses_files_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
):
    """The message for a directory that refuses files has the reason, and advice for it."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", refused)  # root may write anywhere
    with pytest.raises(WriteError, match=rf"results .*: {os.strerror(number)}") as error:
        require_writable(tmp_path / "results")
    assert advice in (error.value.hint or "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EXDEV])
def test_file_systems_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
):
    """Without hard links, results are written as well, and no file is overwritten."""

    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "hardlink_to", refused)
    paths = [write(result(configuration={"users": n}), tmp_path) for n in (1, 2)]
    assert [path.name for path in paths] == [f"health_20241217_12053{n}.json" for n in (0, 1)]
    assert [read(path)["configuration"]["users"] for path in paths] == [1, 2]
    assert sorted(tmp_path.iterdir()) == paths


def test_values_that_json_lacks(tmp_path: Path):
    """No result is lost over a value that JSON does not have."""
    configuration = {
        "path": Path("a/b"),
        "when": datetime(2026, 1, 2, tzinfo=UTC),
        "nan": math.nan,
        "set": {"b", "a"},
        "numpy": np.int64(7),
        "array": np.array([1.5, math.inf]),
        3: errno.EPERM,
    }
    path = write(result(configuration=configuration), tmp_path)
    assert read(path)["configuration"] == {
        "path": "a/b",
        "when": "2026-01-02T00:00:00+00:00",
        "nan": "nan",
        "set": ["a", "b"],
        "numpy": 7,
        "array": [1.5, "inf"],
        "3": 1,
    }


@pytest.mark.parametrize("step", ["write", "fsync", "hardlink_to"])
def test_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str):
    """A disk that is full at any step leaves no file behind, and an error that says what to do."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Full:
        """A file on a full disk."""

        def __init__(self, descriptor: int) -> None:
            self.descriptor = descriptor

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            os.close(self.descriptor)

        write = full

    if step == "write":
        monkeypatch.setattr(os, "fdopen", lambda descriptor, *_, **__: Full(descriptor))
    elif step == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "hardlink_to", full)
    with pytest.raises(WriteError, match="No space left on device") as error:
        write(result(), tmp_path)
    assert "--results" in (error.value.hint or "")
    assert list(tmp_path.iterdir()) == []


def test_result_that_its_folder_refuses_is_written_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """If the folder of the results refuses the file, the error names a temporary file with it."""
    results, temporary = tmp_path / "results", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    make = tempfile.mkstemp

    def full(**options: Any) -> tuple[int, str]:  # noqa: ANN401  of mkstemp
        if options["dir"] == results:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return make(**options)

    monkeypatch.setattr(tempfile, "mkstemp", full)
    with pytest.raises(WriteError, match="No space left on device; it was written to") as error:
        write(result(), results)
    (written,) = temporary.rglob("*.json")
    assert str(written) in str(error.value)
    assert read(written)["name"] == "health"
    assert list(results.iterdir()) == []


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "token {} refused"),
        ("abc123", "Authorization: Bearer {}"),
        ("hunter2", 'answered {{"password": "{}"}}'),
        ("hunter2", 'answered {{"refresh_token":"{}"}}'),
        ("somebody:hunter2", "http://{}@localhost:8000"),
    ],
)
def test_no_secret_is_written(tmp_path: Path, secret: str, text: str):
    """Tokens and passwords that found their way into an error's text are hidden in the file."""
    errors = {"examples": [{"detail": text.format(secret)}]}
    path = write(result(errors=errors), tmp_path)
    assert secret not in path.read_text()
    assert "***" in path.read_text()


def test_missing_file_is_refused(tmp_path: Path):
    """A result that is not there is an error, not a traceback."""
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / "none.json")


def test_environment_names_the_commit(tmp_path: Path):
    """The environment names the commit inside of a work tree, and none outside of one."""
    assert environment(tmp_path)["commit"] is None
    here = environment(Path(__file__).parent)
    assert here["machine"]["cpu_count"] == os.cpu_count()
    assert here["machine"]["usable_cpus"] == usable_cpus()
    assert here["packages"]["straingauge"]
