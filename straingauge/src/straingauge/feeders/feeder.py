"""Feeders: give each use of a file's rows to one execution."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar, cast, get_args, overload

from straingauge.errors import UsageError
from straingauge.feeders import registry
from straingauge.feeders.csv_format import DELIMITERS, CsvFormat
from straingauge.feeders.json_format import JsonLinesFormat, array_as_lines
from straingauge.feeders.order import Order, row_of
from straingauge.feeders.records import Records, open_records
from straingauge.feeders.row_numbers import LocalNumbers, RowNumbers
from straingauge.feeders.use import FeederUse
from straingauge.redaction import hide
from straingauge.secret_source import secret

RowT = TypeVar("RowT")
OnEnd = Literal["stop", "repeat", "error"]

_FORMATS: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_NAMES: Final = "users.csv, users.json or users.jsonl, perhaps with .gz"


class FeederEnd(UsageError):
    """A journey asks for a row after the last one.

    The load then ends: no execution starts any more, and those that run come to their end.

    Attributes:
        is_error: It counts as an error of the journey, because of ``on_end="error"``.
    """

    def __init__(self, message: str, *, is_error: bool) -> None:
        super().__init__(message, 'add rows, or end the load earlier; or on_end="repeat"')
        self.is_error = is_error


class Feeder(Generic[RowT]):
    """The rows of a file, for journeys: ``row = next(users)``. Made by `feeder`.

    Attributes:
        path: The file.
        name: Its name in results.
        order: "sequential", "random" or "unique".
        on_end: "stop", "repeat" or "error".
        numbers: Where numbers of uses come from during a load; None between loads.
    """

    def __init__(
        self,
        records: Records,
        *,
        order: Order,
        on_end: OnEnd,
        seed: int,
        row: Callable[..., RowT] | None,
        secrets: Sequence[str],
    ) -> None:
        self.path = records.path
        count = registry.number_of_file(self.path)
        self.name = f"{self.path.name} ({count + 1})" if count else self.path.name
        self.order = order
        self.on_end = on_end
        self.numbers: RowNumbers | None = None
        self._records = records
        self._seed = seed
        self._row = row
        self._secrets = secrets
        self._before = LocalNumbers()  # uses between loads, such as by account(index)
        self._given_before = 0
        self._uses = 0
        self._has_ended = False
        self._check(records)
        self._number = registry.register(self)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._records)

    def __iter__(self) -> Iterator[RowT]:
        """Return the feeder itself: each ``next`` is a use."""
        return self

    def __next__(self) -> RowT:
        """Return the next row.

        Raises:
            FeederEnd: There is none.
        """
        rows = len(self._records)
        if self.numbers is None:
            number = self._before.take(self._number, rows)
            self._given_before = number + 1
        else:
            number = self._given_before + self.numbers.take(self._number, rows)
        if number >= rows and self.on_end != "repeat":
            self._has_ended = True
            raise FeederEnd(
                f"{self.name} has no further row: all {rows} were used",
                is_error=self.on_end == "error",
            )
        row = self._get(row_of(self.order, self._seed, number, rows))
        self._uses += 1
        return row

    def begin_load(self, numbers: RowNumbers) -> None:
        """Begin with the row after those that were used before any load."""
        self.numbers = numbers
        self._uses, self._has_ended = 0, False

    def end_load(self) -> None:
        """Count uses apart from those of the load, from now on."""
        self.numbers = None

    @property
    def is_used(self) -> bool:
        """The load has used a row, or asked for one."""
        return self._uses > 0 or self._has_ended

    @property
    def use(self) -> FeederUse:
        """Its use in the load, by this process."""
        return FeederUse(
            self.name,
            len(self._records),
            self._uses,
            self.order,
            self._seed,
            self.on_end,
            self._records.format.delimiter,
            self._has_ended,
        )

    def _get(self, number: int) -> RowT:
        values = self._records[number]
        for column in self._secrets:
            values[column] = self._resolve(values[column])
        return cast("RowT", values) if self._row is None else self._row(**values)

    def _resolve(self, value: object) -> object:
        """Hide a secret in all results; one of "env:NAME" or "file:PATH" is read from there."""
        if isinstance(value, str) and value.startswith(("env:", "file:")):
            return secret(value, folder=self.path.parent)
        if isinstance(value, str) and value:
            hide(value)
        return value

    def _check(self, records: Records) -> None:
        """Check what the first row can tell about the options."""
        first = records[0]
        for column in self._secrets:
            if column not in first:
                raise UsageError(
                    f"{self.path} has no column {column!r}", hint=f"there are: {', '.join(first)}"
                )
        try:
            self._get(0)
        except TypeError as error:
            raise UsageError(f"{self.path}: row= does not take its columns: {error}") from error


@overload
def feeder(
    file: str | Path,
    *,
    order: Order = ...,
    on_end: OnEnd | None = ...,
    seed: int = ...,
    delimiter: str | None = ...,
    secrets: Sequence[str] = ...,
) -> Feeder[dict[str, Any]]: ...


@overload
def feeder(
    file: str | Path,
    *,
    row: Callable[..., RowT],
    order: Order = ...,
    on_end: OnEnd | None = ...,
    seed: int = ...,
    delimiter: str | None = ...,
    secrets: Sequence[str] = ...,
) -> Feeder[RowT]: ...


def feeder(
    file: str | Path,
    *,
    row: Callable[..., RowT] | None = None,
    order: Order = "sequential",
    on_end: OnEnd | None = None,
    seed: int = 0,
    delimiter: str | None = None,
    secrets: Sequence[str] = (),
) -> Feeder[RowT]:
    """Read a data file for journeys, at the top of the file with the journeys.

    All rows are checked at once. A use is counted over all processes of a load.

    Args:
        file: CSV, JSON (an array of objects) or JSON lines, by its suffix, perhaps with ".gz";
            relative to the file that calls this function. Values of CSV are text.
        row: Makes a row of its columns, such as a data class; by default a row is a `dict`.
        order: "sequential" uses the rows in the file's order, "random" any row each time, and
            "unique" in the file's order each row once.
        on_end: After the last row, "stop" ends the load, "repeat" begins with the first one again,
            and "error" ends the load with an error. By default "stop" for "unique", else "repeat".
        seed: Seed of a random order; the same one gives the same rows.
        delimiter: Of CSV: ",", ";" or a tab; by default the one that the first line uses.
        secrets: Columns that results never show. A value "env:NAME" is read from the environment,
            "file:PATH" from a file.

    Raises:
        UsageError: The file cannot be used; the message has the line.
    """
    on_end = on_end or ("stop" if order == "unique" else "repeat")
    for name, value, known in (
        ("order", order, get_args(Order)),
        ("on_end", on_end, get_args(OnEnd)),
        ("delimiter", delimiter or ",", DELIMITERS),
    ):
        if value not in known:
            raise UsageError(
                f"feeder: {name} is one of {', '.join(map(repr, known))}, not {value!r}"
            )
    if order == "unique" and on_end == "repeat":
        raise UsageError(
            'feeder: order="unique" uses each row once, on_end="repeat" repeats rows',
            hint='order="sequential" uses them in order, and repeats them',
        )
    if order == "random" and on_end != "repeat":
        raise UsageError(f'feeder: order="random" has no last row: leave out on_end="{on_end}"')
    if isinstance(secrets, str):
        raise UsageError("feeder: secrets are a list of columns", hint=f"secrets=[{secrets!r}]")
    path = _path(file, sys._getframe(1).f_globals.get("__file__"))  # noqa: SLF001  the caller's file
    kind = _kind(path)
    if delimiter is not None and kind != "csv":
        raise UsageError(f"{path}: only CSV files have a delimiter")
    records = open_records(
        path,
        CsvFormat(delimiter or ("\t" if ".tsv" in path.suffixes else None))
        if kind == "csv"
        else JsonLinesFormat(),
        lines_of=array_as_lines if kind == "json" else lambda _, stream: stream,
    )
    return Feeder(records, order=order, on_end=on_end, seed=seed, row=row, secrets=tuple(secrets))


def _path(file: str | Path, caller: str | None) -> Path:
    folder = Path(caller).parent if caller else Path.cwd()
    return (folder / Path(file).expanduser()).resolve()


def _kind(path: Path) -> str:
    suffix = Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix
    kind = _FORMATS.get(suffix.lower())
    if kind is None:
        raise UsageError(
            f"{path}: no format is known for {suffix or 'a file without suffix'}", _NAMES
        )
    return kind
