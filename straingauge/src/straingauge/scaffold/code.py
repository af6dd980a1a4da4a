"""Journeys as Python source."""

import re
from collections.abc import Sequence
from typing import Final

from straingauge.scaffold.operation import PARAMETER, Operation, Rows
from straingauge.scaffold.source import WIDTH, literal, plain
from straingauge.scaffold.values import Blank

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
SEGMENT: Final = '''
def segment(value):
    """Percent-encode a value for a path."""
    return urllib.parse.quote(str(value), safe="")
'''
NOTHING: Final = '''
def nothing_to_send(user):
    """Stand for a mix: no operation of the document can be sent as it is."""
    fill_in("an operation that can be sent without an edit")
    yield
'''
FIELDS: Final = '''
def fields(*names):
    """Check that the response, or its first row, has these fields."""

    def check(response):
        if response.status in (204, 205, 404):  # expected, and without this content
            return None
        content = response.json()
        rows = content if isinstance(content, list) else [content]
        row = rows[0] if rows else None
        missing = [name for name in names if row is not None and name not in row]
        return f"missing: {', '.join(missing)}" if missing else None

    return check
'''


def journeys(
    mixed: Sequence[Operation],
    skipped: Sequence[tuple[Operation, str]],
    *,
    head: str,
    log_in: str,
) -> str:
    """Generate the source of journeys.py.

    Args:
        mixed: Operations in the mix.
        skipped: The other operations, each with the reason.
        head: Its docstring.
        log_in: Source that logs a user in; may be empty.
    """
    made = [*mixed, *(operation for operation, _ in skipped if not operation.problem)]
    functions = [log_in, *map(_journey, made), *([] if mixed else [NOTHING])]
    body = "\n\n".join(part.strip() for part in functions if part)
    helpers = [
        text
        for text, word in ((SETTING, "setting("), (FILL_IN, "fill_in("), (SOME, "some("))
        if word in body
    ]
    helpers += [SEGMENT] if "segment(" in body else []
    helpers += [FIELDS] if "fields(" in body else []
    parts = [*(helper.strip() for helper in helpers), body, _mix(mixed, skipped)]
    code = "\n\n\n".join(parts)
    return f"{head}\n{_imports(code)}\n\n\n{_spaced(code)}\n"


def _imports(code: str) -> str:
    modules = {"base64": "base64.", "os": "os.", "urllib.parse": "urllib.parse."}
    standard = [f"import {name}" for name, word in modules.items() if word in code]
    names = {"Upload": "Upload(", "UsageError": "UsageError(", "mix": ""}
    ours = [name for name, word in names.items() if word in code]
    own = f"from straingauge import {', '.join(ours)}"
    return "\n".join([*standard, *([""] if standard else []), own])


def _spaced(code: str) -> str:
    """Put two empty lines before each top-level function."""
    return re.sub(r"\n+(?=def )", "\n\n\n", code)


def _journey(operation: Operation) -> str:
    lines = [f"def {operation.function}(user):", f"    {_docstring(operation)}"]
    if operation.rows is not None:
        lines += _look_up(operation.rows)
    if operation.origin is not None:
        lines += _create(*operation.origin)
    call = _call(operation, _path(operation), _options(operation))
    return "\n".join([*lines, f"    yield {call}", ""])


def _call(operation: Operation, path: str, options: Sequence[str]) -> str:
    """A request as source, over several lines if it is long."""
    call, arguments = f"user.{operation.method}", [path, *options]
    if operation.method in ("head", "query"):
        call, arguments = "user.request", [literal(operation.method.upper()), *arguments]
    one = f"{call}({', '.join(arguments)})"
    if len(one) + len("    yield ") <= WIDTH and "\n" not in one:
        return one
    return f"{call}(\n" + "".join(f"        {each},\n" for each in arguments) + "    )"


def _docstring(operation: Operation) -> str:
    words = plain(operation.summary, WIDTH - 20) or plain(operation.name, WIDTH - 20)
    end = "" if words.endswith((".", "!", "?")) else "."
    return f'"""{words}{end}"""'


def _look_up(rows: Rows) -> list[str]:
    inside = f"[{literal(rows.inside)}]" if rows.inside else ""
    options = [
        f"{name}={literal(dict(value), 4)}"
        for name, value in (("params", rows.params), ("headers", rows.headers))
        if value
    ]
    options += _expect(rows.expect)
    name = f"GET {rows.path}"
    return [
        f"    response = yield user.get({', '.join([literal(rows.path), *options])})",
        f"    row = some(user, response.json(){inside}, {literal(name)})",
        f"    item = segment(row[{literal(rows.key)}])",
    ]


def _create(origin: Operation, key: str) -> list[str]:
    """Lines that create an item, so that only this one is changed."""
    options = [*_options(origin, expect=[201])]
    return [
        f"    made = yield {_call(origin, _path(origin), options)}",
        f"    item = segment(made.json()[{literal(key)}])",
    ]


def _path(operation: Operation) -> str:
    if operation.rows is not None or operation.origin is not None:
        pieces = PARAMETER.split(operation.path)
        known = [literal(text.replace("{", "{{").replace("}", "}}"))[1:-1] for text in pieces[::2]]
        return 'f"' + "{item}".join(known) + '"'
    blank = next((value for value in operation.in_path.values() if isinstance(value, Blank)), None)
    if blank is not None:
        return repr(blank)
    return literal(PARAMETER.sub(lambda found: operation.in_path[found[1]], operation.path))


def _options(operation: Operation, expect: Sequence[int] | None = None) -> list[str]:
    options = []
    if operation.rows is not None or operation.origin is not None or operation.in_path:
        options.append(f"name={literal(operation.name)}")
    for name, value in (("params", operation.params), ("headers", operation.headers)):
        if value:
            options.append(f"{name}={literal(value, 8)}")
    if operation.body is not None:
        options.append(f"{operation.body[0]}={literal(operation.body[1], 8)}")
    options += _expect(operation.success.expect if expect is None else expect)
    if operation.success.fields:
        options.append(f"checks=[fields({', '.join(map(literal, operation.success.fields))})]")
    return options


def _expect(statuses: Sequence[int]) -> list[str]:
    return [] if [*statuses] == [200] else [f"expect={literal(statuses)}"]


def _mix(mixed: Sequence[Operation], skipped: Sequence[tuple[Operation, str]]) -> str:
    lines = ["mix = mix("]
    lines += [f"    ({operation.function}, 1)," for operation in mixed]
    lines += [] if mixed else ["    (nothing_to_send, 1),"]
    for operation, reason in skipped:
        lines.append(f"    # ({operation.function}, 1),  {plain(reason, 200)}")
    lines += [
        ")",
        "",
        "# Endpoints of the mix; thresholds.toml is checked against them.",
        "endpoints = [",
    ]
    lines += [f"    {literal(name)}," for name in endpoints_of(mixed)]
    return "\n".join([*lines, "]"])


def endpoints_of(mixed: Sequence[Operation]) -> list[str]:
    """Endpoints that the journeys of a mix call, each once."""
    return [*dict.fromkeys(name for operation in mixed for name in _calls(operation))]


def _calls(operation: Operation) -> list[str]:
    looked_up = [f"GET {operation.rows.path}"] if operation.rows is not None else []
    created = [operation.origin[0].name] if operation.origin is not None else []
    return [*looked_up, *created, operation.name]
