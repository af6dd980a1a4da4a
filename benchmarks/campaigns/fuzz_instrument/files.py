"""Files that people write or other programs save: TOML, results, feeders, access logs."""

import gzip
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

from campaigns.fuzz_instrument.mutation import as_json, change, damage
from campaigns.fuzz_instrument.trial import Input, Refused
from click.testing import CliRunner
from straingauge.cli import main
from straingauge.cli.scenario_file import read_tables
from straingauge.http.settings import HttpSettings
from straingauge.replay import LogSource, log_size, read_recording
from straingauge.target import StackConfig
from straingauge.text_file import read_toml
from straingauge.verdict import Thresholds

from straingauge import StraingaugeError, feeder

ROOT: Final = Path(__file__).resolve().parents[3]
CORPUS: Final = Path(__file__).with_name("corpus")
RUN: Final = "mixed"  # the name of the valid result
_SUFFIXES: Final = (".csv", ".tsv", ".json", ".jsonl")
_TESTS: Final = ROOT / "straingauge" / "tests"


def corpus(name: str) -> bytes:
    """Return a valid file, which examples are made of."""
    return (CORPUS / name).read_bytes()


def damaged(*corpus: bytes) -> Callable[[Random], bytes]:
    """Make examples of a corpus by damaging its bytes."""
    return lambda random: damage(random.choice(corpus), random)


def changed(*corpus: Mapping[str, Any]) -> Callable[[Random], bytes]:
    """Make examples of JSON documents by changing values, and sometimes bytes."""

    def make(random: Random) -> bytes:
        data = as_json(change(random.choice(corpus), random))
        return damage(data, random) if random.random() < 0.2 else data

    return make


@contextmanager
def refused(name: str) -> Iterator[None]:
    """Take an error of straingauge as a refusal, if its message has a name."""
    try:
        yield
    except StraingaugeError as error:
        if name not in str(error):
            raise AssertionError(f"the message does not name {name}: {error}") from error
        raise Refused(str(error)) from error


def in_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], None]:
    """Read examples from a file; an error must name that file."""

    def read_example(example: bytes, folder: Path) -> None:
        path = folder / name
        path.write_bytes(example)
        with refused(name):
            read(path)

    return read_example


def command(name: str, *arguments: str) -> Callable[[bytes, Path], None]:
    """Read examples with a command; FOLDER in its arguments is that of the file."""

    def read_example(example: bytes, folder: Path) -> None:
        (folder / name).write_bytes(example)
        words = [each.replace("FOLDER", str(folder)) for each in arguments]
        done = CliRunner().invoke(main, words)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code in (0, 1, 2, 4), f"exit code {done.exit_code}"
        if done.exit_code in (2, 4):
            has_name = str(folder) in done.stderr or RUN in done.stderr
            assert has_name, f"the message does not name the file: {done.stderr}"
            raise Refused(done.stderr)

    return read_example


def _read_log(path: Path) -> None:
    recording = read_recording(LogSource(path=path, size_bytes=log_size(path), writes=True))
    for place in range(len(recording.order)):
        recording.table.request(int(recording.order[place]))


def _read_feeder(path: Path) -> None:
    rows = feeder(path)
    for _ in range(len(rows)):
        next(rows)


def _feeder_examples(suffix: str, *, compressed: bool) -> Callable[[Random], bytes]:
    def make(random: Random) -> bytes:
        content = corpus(f"rows{suffix}")
        if not compressed:
            return damage(content, random)
        if random.random() < 0.5:
            return gzip.compress(damage(content, random), mtime=0)
        return damage(gzip.compress(content, mtime=0), random)

    return make


def _results() -> Sequence[Input]:
    result = json.loads((_TESTS / "golden" / "result-1.json").read_bytes())
    session = json.loads((_TESTS / "golden" / "session-1.json").read_bytes())
    ab = json.loads((_TESTS / "golden" / "ab-1.json").read_bytes())
    capacity = json.loads((_TESTS / "golden" / "capacity-1.json").read_bytes())
    whole = Path(tempfile.mkdtemp()) / "old.json"
    whole.write_bytes(as_json(result))
    old, file, page = str(whole), "FOLDER/r.json", "FOLDER/page.html"
    commands = {
        "report": ("report", file),
        "page": ("report", file, "-o", page),
        "junit": ("report", file, "-o", "FOLDER/r.xml"),
        "explain": ("explain", file),
        "compare": ("compare", "--force", old, file),
        "history": ("history", file),
        "export": ("export", file, "-o", "FOLDER/r.csv"),
        "baseline": ("baseline", "save", "main", file, "--replace", "--baselines", "FOLDER/b"),
    }
    every = (result, result, result, session, ab, capacity)
    return [
        Input(
            name, f"result files: {' '.join(words[:1])}", changed(*every), command("r.json", *words)
        )
        for name, words in commands.items()
    ]


_TOML: Final[Sequence[tuple[str, str, Callable[[Path], object]]]] = (
    ("thresholds", "thresholds (TOML)", Thresholds.read),
    ("scenarios", "scenarios (TOML)", read_tables),
    ("stack", "straingauge.toml", StackConfig.from_file),
    (
        "http",
        "settings of connections (TOML)",
        lambda path: HttpSettings.parse(read_toml(path), path),
    ),
)


def file_inputs() -> Sequence[Input]:
    """Return the kinds of files."""
    logs = [path.read_bytes() for path in sorted(CORPUS.glob("access-*.log"))]
    logs += [gzip.compress(each, mtime=0) for each in logs]
    feeders = [
        Input(
            f"feeder{suffix}{'.gz' * compressed}",
            f"feeders: {suffix}{'.gz' * compressed}",
            _feeder_examples(suffix, compressed=compressed),
            in_file(f"rows{suffix}{'.gz' * compressed}", _read_feeder),
        )
        for suffix in _SUFFIXES
        for compressed in (False, True)
    ]
    return [
        *(
            Input(name, title, damaged(corpus(f"{name}.toml")), in_file(f"{name}.toml", read))
            for name, title, read in _TOML
        ),
        Input("access-log", "access logs", damaged(*logs), in_file("access.log", _read_log)),
        *feeders,
        *_results(),
    ]
