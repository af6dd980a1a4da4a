# ruff: noqa: INP001 - a script that stands alone
"""Write the sources of the documentation site: the pages of `docs/`, and a generated reference.

The reference comes from what the code declares, so that it cannot differ from it.
Usage: `generate.py FOLDER`.
"""

import importlib
import inspect
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from commands import commands
from links import without_outside_links
from straingauge.diagnosis.causes import CAUSES
from straingauge.verdict.metric_families import FAMILIES
from straingauge.verdict.metrics import METRICS

import straingauge
from straingauge import errors

DOCS: Final = Path(__file__).resolve().parents[1]
PACKAGE: Final = Path(straingauge.__file__).parent
SCHEMAS: Final = PACKAGE / "result/format/schemas"
FILES: Final = {
    "Journeys": "straingauge.cli.journey_file",
    "Scenarios": "straingauge.cli.scenario_file",
    "Thresholds: `thresholds.toml`": "straingauge.verdict.thresholds",
    "The service: `straingauge.toml`": "straingauge.target.config",
    "Load tests in pytest": "straingauge.pytest_plugin.load_test",
}


def main(target: Path) -> None:
    """Replace a folder by the sources of the site."""
    shutil.rmtree(target, ignore_errors=True)
    for path in DOCS.rglob("*"):
        page = path.relative_to(DOCS)
        if path.suffix not in {".md", ".png", ".svg"}:
            continue
        (target / page).parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            text = without_outside_links(path.read_text(encoding="utf-8"), page)
            (target / page).write_text(text, encoding="utf-8")
        else:
            shutil.copyfile(path, target / page)
    for name, lines in reference().items():
        page = target / "reference" / f"{name}.md"
        page.parent.mkdir(exist_ok=True)
        page.write_text("\n".join(lines) + "\n", encoding="utf-8")


def reference() -> dict[str, Iterator[str]]:
    """The generated pages by name, in lines of Markdown."""
    return {
        "commands": commands(),
        "configuration": configuration(),
        "metrics": metrics(),
        "causes": causes(),
        "api": api(),
        "results": results(),
        "exit-codes": exit_codes(),
    }


def configuration() -> Iterator[str]:
    """The formats of files that users write, from the docstrings of the modules that read them."""
    yield "# Configuration files"
    for title, module in FILES.items():
        text = inspect.getdoc(importlib.import_module(module)) or ""
        yield f"\n## {title}\n\n{text}"


def metrics() -> Iterator[str]:
    """Every metric that thresholds, history and comparisons know."""
    yield "# Metrics\n\nNames for thresholds, `straingauge history` and comparisons.\n"
    yield "| name | unit | for each endpoint | description |\n|---|---|---|---|"
    for name, each in METRICS.items():
        whole = "yes" if each.per_endpoint else "no"
        yield f"| `{name}` | {each.unit} | {whole} | {each.description} |"
    yield "\n## Names with a number or a kind\n\n```\n" + FAMILIES + "\n```"


def causes() -> Iterator[str]:
    """Every cause: how it is detected, what to do, and what it explains."""
    yield "# Causes\n\nWhat the diagnosis can name. The id is the one in result files."
    for each in sorted(CAUSES.values(), key=lambda cause: cause.title.lower()):
        yield f"\n## {each.title[:1].upper()}{each.title[1:]} {{#{each.id}}}\n\n`{each.id}`\n"
        rule = (inspect.getdoc(each.rule) or "") if each.rule else ""
        seen = rule.partition("\n\nArgs")[0].partition("\n\nReturns")[0]
        seen = seen or "Reported by a load test that knows what to expect."
        yield f"**How it is seen.** {seen}\n"
        yield "**What to do.**\n"
        yield from (f"{number}. {advice}" for number, advice in enumerate(each.advice, 1))
        if each.explains:
            names = ", ".join(f"[{CAUSES[name].title}](#{name})" for name in each.explains)
            yield f"\n**Explains:** {names}."
        if each.warns_from is not None:
            yield (
                f"\nIt is a warning by itself from {each.warns_from:.0%} confidence, even if all"
                " thresholds pass."
            )


def api() -> Iterator[str]:
    """The public names of `import straingauge`."""
    yield "# Python API\n\nAll names can be imported from `straingauge`. Others are private.\n"
    for name in straingauge.__all__:
        value = getattr(straingauge, name)
        module = getattr(value, "__module__", None)
        if name == "__version__":
            yield f"## `__version__`\n\nThe version of the package, now `{value}`.\n"
        elif module is None or getattr(value, "__name__", None) != name:
            yield f"## `{name}`\n\n```python\n{name} = {value}\n```\n"
        else:
            yield f"::: {module}.{name}\n"


def results() -> Iterator[str]:
    """The sections of the files that are written, from their JSON Schemas."""
    yield "# Result files\n\nEach format has a JSON Schema in the package."
    for path in sorted(SCHEMAS.glob("*.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        yield f"\n## {schema['title']}\n\n`{path.name}`\n"
        yield "| field | type | required | description |\n|---|---|---|---|"
        for name, field in schema["properties"].items():
            needed = "yes" if name in schema["required"] else "no"
            yield f"| `{name}` | {_type_of(field, schema)} | {needed} | {_said(field, schema)} |"


def exit_codes() -> Iterator[str]:
    """The exit codes, from the tree of errors."""
    yield f"# Exit codes\n\n{inspect.getdoc(errors)}"


def _said(field: dict[str, Any], schema: dict[str, Any]) -> str:
    said = field.get("description") or _resolved(field, schema).get("description", "")
    return " ".join(said.split()).replace("|", "\\|")


def _type_of(field: dict[str, Any], schema: dict[str, Any]) -> str:
    found = _resolved(field, schema)
    kind = found.get("type", "value")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _resolved(field: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = field.get("$ref", "")
    found = schema["definitions"].get(reference.rpartition("/")[2]) if reference else field
    return dict(found or {})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
