# ruff: noqa: INP001 - imported by a script that stands alone
"""Links that leave the documentation, as paths of the repository.

The pages are read in the repository as well, where these links work; the site has no such files.
"""

import re
from pathlib import PurePath, PurePosixPath
from typing import Final

_LINK: Final = re.compile(r"(?<!!)\[([^\]]+)\]\((\.\./[^)\s]+)\)")


def without_outside_links(markdown: str, page: PurePath) -> str:
    """Replace links to files outside of the documentation.

    Args:
        markdown: A page.
        page: Its path in the documentation.
    """

    def shown(link: re.Match[str]) -> str:
        parts = PurePosixPath(link[2].partition("#")[0]).parts
        ups = parts.count("..")
        if ups < len(page.parts):
            return link[0]
        path = "/".join(parts[ups:])
        text = link[1].strip("`")
        return f"`{path}`" if text in path or path in text else f"{link[1]} (`{path}`)"

    return _LINK.sub(shown, markdown)
