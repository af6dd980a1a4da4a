"""Secrets in captured requests, in whose place the suite reads environment variables."""

import json
import re
from functools import lru_cache
from typing import Any, Final

from straingauge.redaction import MIN_HIDDEN, redact
from straingauge.scaffold.values import Source

PREFIX: Final = "LOAD_"  # a field pwd must not read the variable PWD
_PROBE: Final = "abcdefgh1"
_ALSO: Final = re.compile(
    "passw|passphrase|secret|token|credential|api[_-]?key|private[_-]?key|csrf|xsrf|jwt",
    re.IGNORECASE,
)
_SHORT: Final = re.compile("pin|pw|cvc|cvv|iban|pass|sid", re.IGNORECASE)
_PART: Final = re.compile(r"[\[\].:/]+")  # user[password], user.password
_WORD: Final = re.compile(r"[\w-]+")
_SCHEME: Final = re.compile("([A-Za-z][A-Za-z0-9-]*) +(.+)", re.DOTALL)


class Secrets:
    """The secrets of a suite.

    Attributes:
        places: Where each was found, by the name of its variable.
    """

    def __init__(self) -> None:
        self.places: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._known: set[str] = set()

    def add_known(self, values: frozenset[str]) -> None:
        """Take values for secrets from now on, whatever their names."""
        self._known |= {value for value in values if len(value) >= MIN_HIDDEN}

    def is_in(self, text: str) -> bool:
        """Return whether a text is a secret that is known, or has one in it."""
        if text in self._names or redact(text) != text:
            return True
        return any(value in text for value in self._known)

    def header(self, name: str, value: str) -> str | Source:
        """Return the value of a header, with a variable for what is secret in it."""
        if name.lower() in ("authorization", "proxy-authorization"):
            found = _SCHEME.fullmatch(value)
            if found is None:
                return self.variable("authorization", value, name)
            wanted = "token" if found[1].lower() == "bearer" else "credentials"
            variable = self.variable(wanted, found[2], name)
            return Source(f'f"{found[1]} {{{variable.code}}}"')
        if self.is_in(f"{name}: {value}"):
            return self.variable(name, value, f"header {name}")
        return self.text(name, value, "header")

    def text(self, name: str, value: str, place: str) -> str | Source:
        """Return a value, or a variable if its name or the value itself says that it is secret."""
        if value and (is_secret_name(name) or self.is_in(value)):
            return self.variable(name, value, f"{place} {name}")
        return value

    def body(self, text: str) -> str | Source:
        """Return a body of another kind, or a variable if a word in it names a secret."""
        if self.is_in(text) or any(map(is_secret_name, set(_WORD.findall(text)))):
            return self.variable("body", text, "the body")
        return text

    def json(self, name: str, value: Any, *, is_secret: bool = False) -> Any:  # noqa: ANN401  any JSON
        """Return a JSON value with variables for the secrets in it."""
        if isinstance(value, dict):
            is_secret = is_secret or is_secret_name(name)
            return {
                self._key(key): self.json(key, item, is_secret=is_secret)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.json(name, item, is_secret=is_secret) for item in value]
        place = f"field {name}"
        if (
            isinstance(value, str)
            and value
            and (is_secret or is_secret_name(name) or self.is_in(value))
        ):
            return self.variable(name, value, place)
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if is_number and (is_secret or is_exact_name(name)):
            return Source(f"int({self.variable(name, str(value), place).code})")
        return value

    def _key(self, key: str) -> str | Source:
        return key if not self.is_in(key) else self.variable("key", key, "name of a field")

    def variable(self, wanted: str, value: str, place: str) -> Source:
        """Return the variable for a secret, the same for the same value.

        Args:
            wanted: A word for its name.
            value: The secret.
            place: Where it was found.
        """
        name = self._names.get(value)
        if name is None:
            wanted = wanted if redact(wanted) == wanted else "secret"
            base = PREFIX + (re.sub(r"[^A-Z0-9]+", "_", wanted.upper()).strip("_")[:40] or "SECRET")
            name, number = base, 1
            while name in self.places:
                number += 1
                name = f"{base}_{number}"
            self._names[value] = name
            # The name of a field may itself be the secret.
            self.places[name] = place if redact(place) == place else "a value"
        return Source(name)


@lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Return whether a text that has this name is secret; rather too many are than too few."""
    return any(_ALSO.search(part) or is_exact_name(part) for part in {name, *_PART.split(name)})


@lru_cache(maxsize=1024)
def is_exact_name(name: str) -> bool:
    """Return whether a value of any kind that has this name is secret; max_tokens is not."""
    texts = (
        json.dumps({name: _PROBE}, ensure_ascii=False),
        f"?{name}={_PROBE}",
        f"{name}: {_PROBE}",
    )
    return bool(_SHORT.fullmatch(name)) or any(redact(text) != text for text in texts)
