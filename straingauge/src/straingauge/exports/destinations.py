"""The exporters for the names that a user gives."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from straingauge.errors import UsageError
from straingauge.exports.csv_file import CsvFile
from straingauge.exports.exporter import Exporter
from straingauge.exports.influx_lines import InfluxLines
from straingauge.exports.json_lines import JsonLines
from straingauge.exports.otlp_metrics import OtlpMetrics
from straingauge.exports.otlp_spans import OtlpSpans
from straingauge.exports.remote_write import RemoteWrite
from straingauge.exports.sample_files import SampleLines, SampleTable
from straingauge.exports.sampling import SAMPLES, SPANS, sampling_for
from straingauge.result.format.write import require_writable

FILES: Final[Mapping[str, Callable[[Path], Exporter]]] = {
    **dict(zip(SAMPLES, (SampleLines, SampleTable), strict=True)),
    ".jsonl": JsonLines,
    ".csv": CsvFile,
}
"""By the end of the name; the longer ends first."""
URLS: Final[Mapping[str, Callable[..., Exporter]]] = {
    "otlp": OtlpMetrics,
    SPANS: OtlpSpans,
    "prometheus": RemoteWrite,
    "influx": InfluxLines,
}
_URL: Final = re.compile(
    r"(?:(?P<format>[a-z0-9-]*)\+)?(?P<url>[a-z][a-z0-9]*://.*)", re.IGNORECASE
)


def exporters_for(
    names: Sequence[str], *, option: str = "--export", no_samples: str | None = None
) -> dict[str, Exporter]:
    """Return the exporters of these names; nothing is opened or sent yet.

    Args:
        names: Files, whose suffix decides on the format, or URLs, such as
            otlp+http://localhost:4318, whose scheme begins with it.
        option: The option with the names, for errors.
        no_samples: Why there are no samples of single requests; None if there are.

    Raises:
        UsageError: There is no such format, a name is given twice, a file cannot be written, or
            samples are needed and there are none.
    """
    for name in names:
        if no_samples is not None and sampling_for([name]) != "none":
            raise UsageError(f"{option} {name}: there are no samples of requests: {no_samples}")
    found: dict[str, Exporter] = {}
    paths: set[Path] = set()
    for name in names:
        if match := _URL.fullmatch(name):
            if name in found:
                raise UsageError(f"{option} {name}: this URL is named twice")
            found[name] = _for_url(match, option)
        else:
            path = Path(name)
            found[name] = _for_file(path, f"{option} {name}", option)
            if path.resolve() in paths:
                raise UsageError(f"{option} {name}: this file is named twice")
            paths.add(path.resolve())
    return found


def _for_url(match: re.Match[str], option: str) -> Exporter:
    exporter = URLS.get((match["format"] or "").lower())
    if exporter is None:
        known = " or ".join(f"{each}+http" for each in URLS)
        raise UsageError(
            f"{option} {match[0]}: the URL must begin with its format: {known}",
            hint=f"{option} {next(iter(URLS))}+{match['url']}",
        )
    return exporter(match["url"], option=option)


def _for_file(path: Path, named: str, option: str) -> Exporter:
    ends = (each for each in FILES if path.name.lower().endswith(each))
    format_ = FILES.get(next(ends, ""))
    if format_ is None:
        raise UsageError(
            f"{named}: the name must end in .jsonl or .csv", hint=f"{option} seconds.jsonl"
        )
    if path.is_dir():
        raise UsageError(f"{named}: this is a folder", hint=f"{option} seconds.jsonl")
    if not path.parent.is_dir():
        raise UsageError(f"{named}: there is no folder {path.parent}", hint=f"mkdir {path.parent}")
    require_writable(path.parent, option=f"{option} FILE")
    return format_(path)
