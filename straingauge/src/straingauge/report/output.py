"""The formats of `straingauge report -o FILE`, by the ending of the file's name."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from straingauge.errors import UsageError
from straingauge.report.junit import junit
from straingauge.report.markdown import markdown
from straingauge.report.page import page
from straingauge.report.sarif import sarif
from straingauge.report.speedscope import speedscope
from straingauge.report.text import Result
from straingauge.report.trace_files import jaeger, otlp

Renderer = Callable[[Sequence[Result]], str]

OUTPUTS: Final[Mapping[str, Renderer]] = {
    ".html": page,
    ".md": markdown,
    ".xml": junit,
    ".sarif": sarif,
    ".speedscope.json": speedscope,
    ".jaeger.json": jaeger,
    ".otlp.json": otlp,
}


def renderer_for(path: Path) -> Renderer:
    """Return the function that renders results in the format of a file's name.

    Raises:
        UsageError: No format has this ending.
    """
    found = (OUTPUTS[ending] for ending in OUTPUTS if path.name.lower().endswith(ending))
    renderer = next(found, None)
    if renderer is None:
        endings = f"{', '.join([*OUTPUTS][:-1])} or {[*OUTPUTS][-1]}"
        raise UsageError(f"{path}: the name must end in {endings}", hint="-o report.html")
    return renderer
