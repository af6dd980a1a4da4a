"""The section of a page of the documentation that comes from committed results."""

END = "<!-- end of results -->"


def begin(command: str) -> str:
    """Return the marker in front of the section that `command` writes with --keep."""
    return f"<!-- results: {command} ARGS=--keep -->\n"


def replace_section(page: str, command: str, content: str) -> str:
    """Replace the section of a command in a page.

    Raises:
        ValueError: The page has no such section.
    """
    before, found, rest = page.partition(begin(command))
    _, end, after = rest.partition(END)
    if not found or not end:
        raise ValueError(f"the page has no {begin(command).strip()} ... {END}")
    return f"{before}{found}{content}{end}{after}"
