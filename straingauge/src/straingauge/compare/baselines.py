"""Results that later ones are compared with, kept as files by name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from straingauge.compare.comparable import invalid
from straingauge.errors import UsageError
from straingauge.result.format import read, read_all
from straingauge.result.format.names import file_stem
from straingauge.result.format.result import Result
from straingauge.result.format.write import write_lines
from straingauge.text_file import read_text

PREFIX: Final = "baseline:"
_NAME: Final = re.compile(r"\w[\w.+-]{0,99}")


@dataclass(frozen=True, slots=True)
class Baselines:
    """Named baselines, each a folder with one result for each load test.

    Attributes:
        folder: The folder of all baselines; it may be missing.
    """

    folder: Path

    @property
    def names(self) -> list[str]:
        """Names of the baselines, in order."""
        return sorted({path.parent.name for path in self.folder.glob("*/*.json")})

    def results(self, name: str) -> list[tuple[Result, Path]]:
        """Return the results of a baseline with their files.

        Raises:
            UsageError: There is none of that name, or a file is not a result.
        """
        _require_name(name)
        if name not in self.names:
            known = f"there are: {', '.join(self.names)}; or " if self.names else ""
            raise UsageError(
                f"there is no baseline {name} in {self.folder}",
                hint=f"{known}straingauge baseline save {name} FILE",
            )
        return read_all([self.folder / name])

    def result(self, name: str, test: str) -> Result:
        """Return the result of a load test in a baseline.

        Raises:
            UsageError: As `results`, or the baseline has no result of the test.
        """
        found = {result["name"]: result for result, _ in self.results(name)}
        if test not in found:
            raise UsageError(
                f"the baseline {name} has no result of {test}",
                hint=f"it has: {', '.join(found)}; to add: straingauge baseline save {name} FILE",
            )
        return found[test]

    def save(
        self, name: str, results: Sequence[tuple[Result, Path]], *, replace: bool
    ) -> list[Path]:
        """Copy results to a baseline, all or none of them.

        Args:
            name: Name of the baseline.
            results: Results of different load tests, with their files.
            replace: Replace results that the baseline has.

        Raises:
            UsageError: A result is invalid, two are of the same test, or the baseline has one.
            WriteError: The folder is not writable.
        """
        _require_name(name)
        files: dict[Path, Path] = {}
        for result, path in results:
            if reasons := invalid(result):
                raise UsageError(
                    f"{path}: an invalid run is no baseline: {reasons[0]}",
                    hint="run the load again; straingauge doctor checks what it needs",
                )
            kept = self.folder / name / f"{file_stem(result['name'])}.json"
            if kept in files:
                raise UsageError(
                    f"{path}: a second result of {result['name']}", hint="name one of each test"
                )
            if kept.exists() and not replace:
                raise UsageError(
                    f"the baseline {name} has a result of {result['name']}",
                    hint="--replace, or choose another name",
                )
            files[kept] = path
        return [write_lines(kept, [read_text(path)]) for kept, path in files.items()]

    def read(self, old: Path, new: Result) -> Result:
        """Read a result, which may be named as baseline:NAME: then that of the same test as `new`.

        Raises:
            UsageError: As `result`, or the file is not a result.
        """
        name = str(old)
        if not name.startswith(PREFIX):
            return read(old)
        return self.result(name.removeprefix(PREFIX), new["name"])


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a baseline",
            hint="use letters, digits and _ . + -, such as main or v1.2",
        )
