"""Comments of a pull request on GitHub.

Source: "REST API endpoints for issue comments" in GitHub's documentation.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

from straingauge.pull_request.api import PAGE_SIZE, Api
from straingauge.pull_request.comment import Comment

REFUSED_HINT: Final = (
    "give the job `permissions: pull-requests: write` (a pull request from a fork has a token that"
    " only reads)"
)


@dataclass(frozen=True, slots=True)
class GitHubPullRequest:
    """A pull request of a repository.

    Attributes:
        api: The API with the job's token.
        repository: ``owner/name``.
        number: Of the pull request.
    """

    api: Api
    repository: str
    number: int
    max_characters: int = 65_536

    def comments(self) -> Iterator[Comment]:
        """Yield the comments, oldest first; raises TargetError."""
        for page in count(1):
            found = self.api.call("GET", f"{self._path}?per_page={PAGE_SIZE}&page={page}")
            yield from (Comment(each["id"], each["body"] or "") for each in found)
            if len(found) < PAGE_SIZE:
                return

    def create(self, body: str) -> str:
        """Add a comment; returns its URL, raises TargetError."""
        return str(self.api.call("POST", self._path, {"body": body})["html_url"])

    def update(self, comment: Comment, body: str) -> str:
        """Replace a comment's text; returns its URL, raises TargetError."""
        path = f"/repos/{self.repository}/issues/comments/{comment.id}"
        return str(self.api.call("PATCH", path, {"body": body})["html_url"])

    @property
    def _path(self) -> str:
        return f"/repos/{self.repository}/issues/{self.number}/comments"
