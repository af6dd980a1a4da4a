"""Text of services and load tests, so that a terminal only shows it."""

import re
from typing import Final

# Control characters except tab and line feed; and those that change the direction of the text
# around them (Unicode Standard Annex 9, section 2).
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def without_controls(text: str) -> str:
    """Replace each character that a terminal would obey, such as ESC, by "?"."""
    return _CONTROLS.sub("?", text)
