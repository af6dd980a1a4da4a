"""YAML as OpenAPI uses it: the types of JSON, and no others."""

import re
from typing import Any, ClassVar

import yaml

from straingauge.errors import UsageError


class _JsonLoader(yaml.SafeLoader):  # type: ignore[misc]  # it has no types
    """Loads the types of JSON (YAML 1.2, section 10.3): `no`, dates and `1:30` remain strings."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


_TYPES = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+", list("-+0123456789")),
    "float": (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    "merge": (r"<<", ["<"]),
}
for _name, (_pattern, _first) in _TYPES.items():
    _JsonLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(rf"^(?:{_pattern})$"), _first
    )


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    """A decimal number: a leading 0 does not mean octal in YAML 1.2."""
    return int(loader.construct_scalar(node))


_JsonLoader.add_constructor("tag:yaml.org,2002:int", _integer)


def parse_yaml(text: str, source: str) -> Any:  # noqa: ANN401  any JSON
    """Parse YAML; keys such as `200` become strings, as they are in JSON.

    Raises:
        UsageError: It is neither YAML nor JSON.
    """
    try:
        return _with_text_keys(yaml.load(text, _JsonLoader), {})  # noqa: S506  a safe loader
    except (yaml.YAMLError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise UsageError(f"{source}: neither JSON nor YAML: {problem}") from error
    except RecursionError as error:
        raise UsageError(f"{source}: the document is nested too deeply") from error


def _with_text_keys(part: Any, done: dict[int, Any]) -> Any:  # noqa: ANN401  any JSON
    """Make keys strings in place; an anchor that is used twice remains one object."""
    if id(part) in done or not isinstance(part, dict | list):
        return part
    done[id(part)] = part
    if isinstance(part, list):
        for item in part:
            _with_text_keys(item, done)
        return part
    items = [(_text(key), _with_text_keys(value, done)) for key, value in part.items()]
    part.clear()
    part.update(items)
    return part


def _text(key: object) -> str:
    return str(key).lower() if isinstance(key, bool) or key is None else str(key)
