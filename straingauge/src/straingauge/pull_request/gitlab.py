"""Comments of a merge request on GitLab.

Source: "Notes API" in GitLab's documentation.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

from straingauge.pull_request.api import PAGE_SIZE, Api
from straingauge.pull_request.comment import Comment

REFUSED_HINT: Final = "set GITLAB_TOKEN to a project access token with the scope `api`"


@dataclass(frozen=True, slots=True)
class GitLabMergeRequest:
    """A merge request of a project.

    Attributes:
        api: The API with the token.
        project: The project's id.
        number: The merge request's number in its project (``iid``).
        page: URL of the merge request, to which a comment's anchor is added.
    """

    api: Api
    project: int
    number: int
    page: str
    max_characters: int = 1_000_000

    def comments(self) -> Iterator[Comment]:
        """Yield the comments, oldest first; raises TargetError."""
        for page in count(1):
            query = f"sort=asc&per_page={PAGE_SIZE}&page={page}"
            found = self.api.call("GET", f"{self._path}?{query}")
            yield from (Comment(each["id"], each["body"]) for each in found)
            if len(found) < PAGE_SIZE:
                return

    def create(self, body: str) -> str:
        """Add a comment; returns its URL, raises TargetError."""
        return self._url(self.api.call("POST", self._path, {"body": body})["id"])

    def update(self, comment: Comment, body: str) -> str:
        """Replace a comment's text; returns its URL, raises TargetError."""
        self.api.call("PUT", f"{self._path}/{comment.id}", {"body": body})
        return self._url(comment.id)

    def _url(self, comment: int) -> str:
        return f"{self.page}#note_{comment}"

    @property
    def _path(self) -> str:
        return f"/projects/{self.project}/merge_requests/{self.number}/notes"
