"""Mutations of bytes, texts and JSON documents, each a function of a random number generator."""

import copy
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

_BYTES: Final = (
    *(b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b"\t", b" "),
    *(b'"', b"'", b"\\", b"\\u", b"{", b"}", b"[", b"]", b"(", b"<", b"&", b";", b",", b":", b"="),
    *(b"%", b"%zz", b"%00", b"/", b"//", b"..", b"?", b"#", b"@", b"-", b"-1", b"0", b"1e999"),
    *(b"9" * 30, b"9" * 5000, b"nan", b"inf", b"null", b"true", b"\xe2\x80\xa8", b"\xc2\x85"),
    *("\u00bd\u00b2\u0663\uff11".encode(), b"[" * 3000, b"{" * 3000, b'{"a":' * 3000),
    *(
        b"a" * 3000,
        b" " * 3000,
        b"\n" * 3000,
        b"$ref",
        b"0x",
        b"1_0",
        b"+1",
        b"\\u0000",
        b"..." * 50,
    ),
)
"""Pieces that parsers get wrong: ends, quotes, numbers, encodings, nesting and length."""

_DEEP: Final[Any] = json.loads("[" * 300 + "]" * 300)
_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64, 10**30, 10**400, -(10**400)),
    *(0.5, -0.0, 1e308, -1e308, 1e-320, float("inf"), float("-inf"), float("nan")),
    *("", " ", "a", "0", "-1", "1e999", "nan", "\0", "\ud800", "\u2028", "\U0001f600", "a\nb"),
    *("/", "//", "http://[", "http://a:b", "#/", "#/a/b", "%", "{", "{}", "{{", "$", "${", "[["),
    *("a" * 3000, "9" * 5000, "\u00bd", "\u0663", "9999-12-31T23:59:59Z", "0000-00-00", "\ufeff"),
    *([], {}, [[]], [None], [{}], {"": ""}, {"a": None}, {"$ref": "#"}, {"$ref": "#/"}, _DEEP),
)
_TEXTS: Final = tuple(each for each in _VALUES if isinstance(each, str))
_NUMBERS: Final = tuple(
    each for each in _VALUES if isinstance(each, int | float) and not isinstance(each, bool)
)


def damage(data: bytes, random: Random) -> bytes:
    """Change a few places of some bytes."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        data = random.choice(_DAMAGES)(data, random)
    return data


def _insert(data: bytes, random: Random) -> bytes:
    place = random.randint(0, len(data))
    return data[:place] + random.choice(_BYTES) + data[place:]


def _overwrite(data: bytes, random: Random) -> bytes:
    place = random.randint(0, len(data))
    return data[:place] + bytes([random.randrange(256)]) + data[place + 1 :]


def _cut(data: bytes, random: Random) -> bytes:
    return data[: random.randint(0, len(data))]


def _remove(data: bytes, random: Random) -> bytes:
    begin, end = sorted(random.randint(0, len(data)) for _ in range(2))
    return data[:begin] + data[min(end, begin + random.choice((1, 2, 10, 200))) :]


def _repeat(data: bytes, random: Random) -> bytes:
    begin = random.randint(0, len(data))
    end = begin + random.choice((1, 3, 20))
    times = random.choice((2, 10, 1000))
    return data[:begin] + data[begin:end] * times + data[end:]


def _swap_lines(data: bytes, random: Random) -> bytes:
    lines = data.split(b"\n")
    one, two = random.randrange(len(lines)), random.randrange(len(lines))
    lines[one], lines[two] = lines[two], lines[one]
    return b"\n".join(lines)


def _drop_line(data: bytes, random: Random) -> bytes:
    lines = data.split(b"\n")
    del lines[random.randrange(len(lines))]
    return b"\n".join(lines)


def _double_line(data: bytes, random: Random) -> bytes:
    lines = data.split(b"\n")
    lines.insert(random.randint(0, len(lines)), random.choice(lines))
    return b"\n".join(lines)


def _change_number(data: bytes, random: Random) -> bytes:
    places = [place for place, byte in enumerate(data) if 48 <= byte < 58]
    if not places:
        return data
    place = random.choice(places)
    numbers = (b"0", b"-1", b"9" * 30, b"9" * 5000, b"1e999", b"0.0", b"00", b"1_0", b"0x1", b"")
    return data[:place] + random.choice(numbers) + data[place + 1 :]


_DAMAGES: Final[Sequence[Callable[[bytes, Random], bytes]]] = (
    *(_insert, _insert, _overwrite, _overwrite, _cut, _remove, _repeat),
    *(_swap_lines, _drop_line, _double_line, _change_number, _change_number),
)


def change(document: Any, random: Random) -> Any:  # noqa: ANN401  any JSON
    """Return a JSON document with a few values replaced, removed, moved or nested."""
    document = copy.deepcopy(document)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        places = list(_places(document))
        if not places:
            return random.choice(_VALUES)
        parent, key = random.choice(places)
        _change_place(parent, key, random, places)
    return document


def _change_place(
    parent: Any,  # noqa: ANN401  an object or an array
    key: Any,  # noqa: ANN401  a name or a number
    random: Random,
    places: Sequence[tuple[Any, Any]],
) -> None:
    what = random.randrange(20)
    if what < 5:
        parent[key] = copy.deepcopy(random.choice(_VALUES))
    elif what >= 10:
        parent[key] = _alike(parent[key], random)
    elif what == 5:
        del parent[key]
    elif what == 6:
        other, name = random.choice(places)
        if name in other if isinstance(other, dict) else name < len(other):
            parent[key] = copy.deepcopy(other[name])
    elif what == 7:
        parent[key] = [parent[key]]
    elif what == 8:
        parent[key] = {str(key): parent[key]}
    elif isinstance(parent, dict):
        name = random.choice(_TEXTS)
        parent[name] = parent.pop(key)
    else:
        parent.insert(key, copy.deepcopy(parent[key]))


def _alike(value: Any, random: Random) -> Any:  # noqa: ANN401  any JSON
    """Return a value of the same type, which a schema may allow where it does not fit."""
    if isinstance(value, str):
        return random.choice(_TEXTS)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return random.choice(_NUMBERS)
    if isinstance(value, list) and value:
        return random.choice(([], value[:1], value * 2, value[::-1], value[1:]))
    if isinstance(value, dict) and value:
        return random.choice(({}, dict(list(value.items())[:1]), dict(list(value.items())[1:])))
    return not value if isinstance(value, bool) else copy.deepcopy(random.choice(_VALUES))


def _places(part: Any) -> Any:  # noqa: ANN401  any JSON
    """Yield each place of a document: its parent, and its key or its number."""
    stack = [part]
    while stack:
        each = stack.pop()
        if not isinstance(each, dict | list):
            continue
        keys = list(each) if isinstance(each, dict) else range(len(each))
        for key in keys:
            yield each, key
            stack.append(each[key])


def as_json(document: Any) -> bytes:  # noqa: ANN401  any JSON
    """Return a document as JSON, with what other programs write: 1e999 and half surrogates."""
    text = json.dumps(document).replace("Infinity", "1e999").replace("NaN", "1e999")
    return text.encode()
