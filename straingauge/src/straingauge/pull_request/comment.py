"""One comment of a pull request that later runs update."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

CUT_NOTE: Final = "\n\n*Shortened: the rest does not fit into a comment.*\n"


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment that exists.

    Attributes:
        id: The identifier by which the API updates it.
        body: Markdown.
    """

    id: int
    body: str


class PullRequest(Protocol):
    """A pull request whose comments can be listed and written."""

    @property
    def max_characters(self) -> int:
        """Longest comment that the API accepts."""

    def comments(self) -> Iterator[Comment]:
        """Yield the comments, oldest first; raises TargetError."""

    def create(self, body: str) -> str:
        """Add a comment; returns its URL, raises TargetError."""

    def update(self, comment: Comment, body: str) -> str:
        """Replace a comment's text; returns its URL, raises TargetError."""


def post(pull_request: PullRequest, markdown: str, name: str) -> str:
    """Write a comment, or update the one that an earlier run wrote under the same name.

    Args:
        pull_request: Where to write it.
        markdown: The text.
        name: Distinguishes several comments of one pull request, such as one for each service.

    Returns:
        The URL of the comment.

    Raises:
        TargetError: The API cannot be reached, or refuses the comment.
    """
    marker = f"<!-- straingauge: {_in_a_comment(name)} -->"
    body = _shortened(f"{marker}\n{markdown}", pull_request.max_characters)
    for comment in pull_request.comments():
        if comment.body.startswith(marker):
            return pull_request.update(comment, body)
    return pull_request.create(body)


def _in_a_comment(name: str) -> str:
    """Replace what would end an HTML comment."""
    return " ".join(name.replace("--", "- -").replace(">", "").split())


def _shortened(body: str, most: int) -> str:
    """Cut whole lines at the end, and close the parts that are folded away."""
    if len(body) <= most:
        return body
    opened, closing = "<details>", "\n</details>"
    kept = body[: most - len(CUT_NOTE) - len(closing)].rpartition("\n")[0]
    left_open = kept.count(opened) > kept.count(closing.strip())
    return kept + (closing if left_open else "") + CUT_NOTE
