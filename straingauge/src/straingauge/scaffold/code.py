"""Journeys as Python source."""

import json
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from straingauge.scaffold.operation import Operation, Rows
from straingauge.scaffold.values import Blank

WIDTH: Final = 100

HEAD: Final = '''"""Journeys of {title}, generated from {source}.

Edit this file: set the weights at the end to the real traffic of the service. Operations that
change data or need unknown values are defined, but commented out of the mix.

    straingauge doctor {folder}/journeys.py --host {url}
    straingauge run {folder}/journeys.py --host {url}
"""
'''
SETTING: Final = '''
def setting(name):
    """Read a secret from the environment."""
    if name not in os.environ:
        raise UsageError(f"{name} is not set", hint=f"export {name}=... for journeys.py")
    return os.environ[name]
'''
FILL_IN: Final = '''
def fill_in(what):
    """Mark a value that the document does not give."""
    raise UsageError(f"the OpenAPI document does not give {what}", hint="edit journeys.py")
'''
SOME: Final = '''
def some(user, rows, where):
    """Pick a random row of a list response."""
    if not rows:
        raise UsageError(f"{where} returned no rows", hint="seed the data of the service")
    return user.random.choice(rows)
'''
FIELDS: Final = '''
def fields(*names):
    """Check that the response, or its first row, has these fields."""

    def check(response):
        content = response.json()
        row = content[0] if isinstance(content, list) and content else content
        missing = [name for name in names if row and name not in row]
        return f"missing: {', '.join(missing)}" if missing else None

    return check
'''


def journeys(
    made: Sequence[Operation], mixed: Sequence[Operation], *, head: str, log_in: str
) -> str:
    """Generate the source of journeys.py.

    Args:
        made: All operations.
        mixed: Operations in the mix.
        head: Its docstring.
        log_in: Source that logs a user in; may be empty.
    """
    body = "\n\n".join(part.strip() for part in (log_in, *map(_journey, made)) if part)
    helpers = [
        text
        for text, word in ((SETTING, "setting("), (FILL_IN, "fill_in("), (SOME, "some("))
        if word in body
    ]
    helpers += [FIELDS] if "fields(" in body else []
    parts = [*(helper.strip() for helper in helpers), body, _mix(made, mixed)]
    code = "\n\n\n".join(parts)
    return f"{head}\n{_imports(code)}\n\n\n{_spaced(code)}\n"


def _imports(code: str) -> str:
    standard = [f"import {name}" for name in ("base64", "os") if f"{name}." in code]
    ours = ["UsageError", "mix"] if "UsageError(" in code else ["mix"]
    own = f"from straingauge import {', '.join(ours)}"
    return "\n".join([*standard, *([""] if standard else []), own])


def _spaced(code: str) -> str:
    """Put two empty lines before each top-level function."""
    return re.sub(r"\n+(?=def )", "\n\n\n", code)


def _journey(operation: Operation) -> str:
    lines = [f"def {operation.function}(user):", f"    {_docstring(operation)}"]
    path = _path(operation)
    if operation.rows is not None:
        lines += _look_up(operation.rows)
    options = _options(operation)
    call = f"user.{operation.method}"
    if operation.method == "head":
        call, path = "user.request", f'"HEAD", {path}'
    one = f"    yield {call}({', '.join([path, *options])})"
    if len(one) <= WIDTH and "\n" not in one:
        return "\n".join([*lines, one, ""])
    inner = "".join(f"        {option},\n" for option in (path, *options))
    return "\n".join([*lines, f"    yield {call}(\n{inner}    )", ""])


def _docstring(operation: Operation) -> str:
    words = operation.summary.replace("\\", "").replace('"', "'")[: WIDTH - 20].strip()
    end = "" if words.endswith((".", "!", "?")) else "."
    return f'"""{words or operation.name}{end}"""'


def _look_up(rows: Rows) -> list[str]:
    inside = f"[{literal(rows.inside)}]" if rows.inside else ""
    params = f", params={literal(dict(rows.params), 4)}" if rows.params else ""
    return [
        f"    answer = yield user.get({literal(rows.path)}{params})",
        f"    row = some(user, answer.json(){inside}, {literal('GET ' + rows.path)})",
    ]


def _path(operation: Operation) -> str:
    if operation.rows is not None:
        in_row = f"{{row['{operation.rows.key}']}}"
        return "f" + literal(re.sub(r"\{[^}]+\}", in_row, operation.path))
    blank = next((value for value in operation.in_path.values() if isinstance(value, Blank)), None)
    if blank is not None:
        return repr(blank)
    values = {name: quote(str(value), safe="") for name, value in operation.in_path.items()}
    return literal(re.sub(r"\{([^}]+)\}", lambda found: values[found[1]], operation.path))


def _options(operation: Operation) -> list[str]:
    options = []
    if operation.rows is not None or operation.in_path:
        options.append(f"name={literal(operation.name)}")
    for name, value in (("params", operation.params), ("headers", operation.headers)):
        if value:
            options.append(f"{name}={literal(value, 8)}")
    if operation.body is not None:
        options.append(f"{operation.body[0]}={literal(operation.body[1], 8)}")
    if list(operation.expect) != [200]:
        options.append(f"expect={literal(list(operation.expect))}")
    if operation.fields:
        options.append(f"checks=[fields({', '.join(map(literal, operation.fields))})]")
    return options


def literal(value: object, indent: int = 0) -> str:
    """Format a value as source, over several lines if it is long.

    Args:
        value: JSON, with blanks.
        indent: Indentation of the line it begins in.
    """
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        pairs = (f"{literal(key)}: {literal(item, indent + 4)}" for key, item in value.items())
        return _bracketed("{}", list(pairs), indent)
    if isinstance(value, list):
        return _bracketed("[]", [literal(item, indent + 4) for item in value], indent)
    return repr(value)


def _bracketed(brackets: str, items: Sequence[str], indent: int) -> str:
    first, last = brackets[0], brackets[1]
    flat = f"{first}{', '.join(items)}{last}"
    if len(flat) + indent + 12 <= WIDTH and "\n" not in flat:
        return flat
    inner = "".join(f"{' ' * (indent + 4)}{item},\n" for item in items)
    return f"{first}\n{inner}{' ' * indent}{last}"


def _mix(made: Sequence[Operation], mixed: Sequence[Operation]) -> str:
    lines = ["mix = mix("]
    lines += [f"    ({operation.function}, 1)," for operation in mixed]
    for operation in made:
        if operation not in mixed:
            lines.append(f"    # ({operation.function}, 1),  {_why_not(operation)}")
    lines.append(")")
    called = {name: None for operation in mixed for name in _calls(operation)}
    lines += [
        "",
        "# Endpoints of the mix; thresholds.toml is checked against them.",
        "endpoints = [",
    ]
    lines += [f"    {literal(name)}," for name in called]
    return "\n".join([*lines, "]"])


def _calls(operation: Operation) -> list[str]:
    looked_up = [f"GET {operation.rows.path}"] if operation.rows is not None else []
    return [*looked_up, operation.name]


def _why_not(operation: Operation) -> str:
    if operation.blanks:
        return f"unknown: {operation.blanks[0].what}"
    if operation.endless:
        return "its response is an endless stream"
    return "it changes data"
