"""Tokens and passwords in the texts of a file."""

import re
from collections.abc import Mapping
from typing import Any, Final

# Journeys may put a response into the text of an error, and result files are passed on.
_SECRETS: Final = re.compile(
    r"""eyJ[\w-]{8,}\.[\w-]+\.[\w-]*            # a JSON web token
    | (?<=Bearer[ ])\S+
    | (?<=://)[^/\s:@]+:[^/\s@]+(?=@)            # user:password in an address
    | (?<=["']password["']:)\s*"[^"]*"
    | (?:(?<=_token["']:)|(?<=["']token["']:)|(?<=secret["']:))\s*"[^"]*"
    """,
    re.VERBOSE | re.IGNORECASE,
)
HIDDEN: Final = "[hidden]"


def without_secrets(value: Any) -> Any:  # noqa: ANN401  any JSON value, and the same kind back
    """Return a JSON value with the tokens and passwords in its texts hidden."""
    if isinstance(value, str):
        return _SECRETS.sub(HIDDEN, value)
    if isinstance(value, Mapping):
        return {key: without_secrets(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    return value
