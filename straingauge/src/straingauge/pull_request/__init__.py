"""Comments on pull requests and merge requests, from a CI job of GitHub or GitLab."""

from straingauge.pull_request.ci_job import pull_request_of
from straingauge.pull_request.comment import Comment, PullRequest, post

__all__ = ["Comment", "PullRequest", "post", "pull_request_of"]
