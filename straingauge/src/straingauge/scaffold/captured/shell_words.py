r"""Words of a command line, as the shells of Unix and Windows split it.

The rules are those of bash (quoting, `$'...'`), of cmd.exe (`^`), of the programs it starts
(backslashes before quotes: https://learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments)
and of PowerShell (backticks, doubled quotes).
"""

import re
import shlex
from typing import Final

_ANSI_C: Final = re.compile(r"(?<![\w\\])\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ESCAPE: Final = re.compile(
    r"\\(?:u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|((?:x[0-9A-Fa-f]{1,2}\\)*x[0-9A-Fa-f]{1,2})"
    r"|([0-7]{1,3})|(.))",
    re.DOTALL,
)
_LETTERS: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f"}
# The first quote has a caret, or a line ends with one.
_CMD: Final = re.compile(r"""[^'"]*\^"|.*\s\^\r?\n""", re.DOTALL)
_POWERSHELL: Final = re.compile(r"""`\r?\n|curl\.exe\s[^\n]*'[^'\n]*\\\"""")
_WINDOWS: Final = re.compile(r"""(\\+)"|""|"|\s|\\+|[^\s"\\]+""")
_POWERSHELL_PART: Final = re.compile(
    r"""'((?:[^']|'')*)'|"((?:[^"`]|`.|"")*)"|(`\r?\n|\s)|`(.)|([^\s'"`]+)|(.)""", re.DOTALL
)
_MOST: Final = 0x10FFFF
COMMAND_END: Final = ";"
_BETWEEN: Final = re.compile(r"(?:\s+|#[^\n]*)+")  # blank lines and comments
_CURL: Final = re.compile(r"(?:[^\s'\"]*/)?curl(?:\.exe)?\s")
_PROMPT: Final = re.compile(r"#\s*curl(?:\.exe)?\s")


def split_words(text: str) -> list[str]:
    """Split a command line as the shell does that it was written for.

    Comments are skipped; between the commands of a script of a Unix shell is the word ";".

    Raises:
        ValueError: A quote has no end.
    """
    if _CMD.match(text) and "\\\n" not in text.replace("\r", ""):
        return _windows_words(_without_carets(text))
    if _POWERSHELL.search(text):
        return _powershell_words(text)
    text = _on_one_line(text.replace("\\\r\n", " ").replace("\\\n", " "))
    return shlex.split(_ANSI_C.sub(lambda found: shlex.quote(_decoded(found[1])), text))


def _on_one_line(text: str) -> str:
    """Return a script without comments, with an end of command where a line begins with curl.

    Other lines are taken for the rest of the command before them, whose backslashes were lost.
    """
    if _PROMPT.match(text) and not any(map(_CURL.match, text.splitlines())):
        return text  # the "#" is the prompt of a terminal
    kept: list[str] = []
    quote = ""  # that of the string at this place
    place = 0
    while place < len(text):
        character = text[place]
        if character == "\\" and quote != "'":
            kept.append(text[place : place + 2])
            place += 2
            continue
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif not quote and (
            character == "\n" or (character == "#" and not "".join(kept[-1:]).strip())
        ):
            found = _BETWEEN.match(text, place)
            place = len(text) if found is None else found.end()
            kept.append(f" {COMMAND_END} " if kept and _CURL.match(text, place) else "\n")
            continue
        elif not quote and character == ";" and text[place + 1 : place + 2] in {"", " ", "\n"}:
            kept.append(" ")  # it may follow a word at once
        kept.append(character)
        place += 1
    return "".join(kept)


def _decoded(text: str) -> str:
    r"""Return the text of a shell's $'...', which has escapes such as \u0021."""

    def character(found: re.Match[str]) -> str:
        code, long, octets, octal, letter = found.groups()
        if octets:
            values = bytes(int(each, 16) for each in re.findall("x([0-9A-Fa-f]+)", octets))
            return values.decode("utf-8" if _is_utf_8(values) else "latin-1")
        if octal:
            return chr(int(octal, 8) & 0xFF)
        number = int(code or long, 16) if code or long else None
        if number is None:
            return _LETTERS.get(letter, letter)
        return chr(number) if number <= _MOST else "\ufffd"

    # Browsers write a character beyond U+FFFF as two halves.
    return (
        _ESCAPE.sub(character, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


def _is_utf_8(values: bytes) -> bool:
    try:
        values.decode()
    except UnicodeDecodeError:
        return False
    return True


def _without_carets(text: str) -> str:
    """Return what cmd.exe gives to a program: without carets, except those within quotes."""
    sent: list[str] = []
    is_quoted = False
    rest = iter(text.replace("\r\n", "\n"))
    for character in rest:
        if character == "^" and not is_quoted:
            following = next(rest, "")
            # A line goes on behind a caret, and the next character is taken as it is.
            sent.append(next(rest, "") if following == "\n" else following)
            continue
        is_quoted ^= character == '"'
        sent.append(character)
    return "".join(sent)


def _windows_words(text: str) -> list[str]:
    words = _Words()
    is_quoted = False
    for found in _WINDOWS.finditer(text):
        piece, slashes = found[0], found[1]
        if slashes:
            words.add("\\" * (len(slashes) // 2) + '"' * (len(slashes) % 2))
            is_quoted ^= not len(slashes) % 2
        elif piece == '"':
            words.add("")
            is_quoted = not is_quoted
        elif piece == '""':
            words.add('"' * is_quoted)
        elif piece.isspace() and not is_quoted:
            words.end()
        else:
            words.add(piece)
    if is_quoted:
        raise ValueError("No closing quotation")
    return words.end()


def _powershell_words(text: str) -> list[str]:
    words = _Words()
    for found in _POWERSHELL_PART.finditer(text):
        single, double, space, escaped, bare, rest = found.groups()
        if rest is not None:
            raise ValueError("No closing quotation")
        if space is not None:
            words.end()
        elif single is not None:
            words.add(single.replace("''", "'"))
        elif double is not None:
            words.add(re.sub('`(.)|""', lambda each: each[1] or '"', double, flags=re.DOTALL))
        else:
            words.add(bare or escaped)
    # PowerShell leaves quotes within a word as they are; the program removes backslashes.
    return [word.replace('\\"', '"') for word in words.end()]


class _Words:
    """Words that are put together from their parts."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._word: str | None = None

    def add(self, part: str) -> None:
        """Add a part to the word."""
        self._word = (self._word or "") + part

    def end(self) -> list[str]:
        """End the word, if there is one; return all words."""
        if self._word is not None:
            self._words.append(self._word)
        self._word = None
        return self._words
