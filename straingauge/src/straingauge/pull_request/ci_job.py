"""The pull request that a CI job was started for, from the job's environment variables.

Sources: "Default environment variables" in GitHub's documentation, "Predefined CI/CD variables" in
GitLab's.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from straingauge.errors import UsageError
from straingauge.json_text import parse_json
from straingauge.pull_request import github, gitlab
from straingauge.pull_request.api import Api
from straingauge.pull_request.comment import PullRequest
from straingauge.pull_request.github import GitHubPullRequest
from straingauge.pull_request.gitlab import GitLabMergeRequest

_MERGE_REF: Final = re.compile(r"refs/pull/(\d+)/merge")


def pull_request_of(environment: Mapping[str, str]) -> PullRequest:
    """Return the pull request of a job.

    Args:
        environment: The job's environment variables.

    Raises:
        UsageError: It is no job of GitHub Actions or GitLab CI, the job does not belong to a pull
            request, or there is no token.
    """
    if environment.get("GITHUB_ACTIONS") == "true":
        return _of_github(environment)
    if environment.get("GITLAB_CI") == "true":
        return _of_gitlab(environment)
    raise UsageError(
        "this is no job of GitHub Actions or GitLab CI, so there is no pull request to comment on",
        hint="show the Markdown instead: straingauge ab ... --markdown",
    )


def _of_github(environment: Mapping[str, str]) -> GitHubPullRequest:
    token = _required(
        environment, "GITHUB_TOKEN", "add `env: GITHUB_TOKEN: ${{ github.token }}` to the step"
    )
    api = Api(
        environment.get("GITHUB_API_URL", "https://api.github.com").rstrip("/"),
        {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "User-Agent": "straingauge",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        github.REFUSED_HINT,
    )
    repository = _required(environment, "GITHUB_REPOSITORY", "run it as a step of a job")
    return GitHubPullRequest(api, repository, _github_number(environment))


def _github_number(environment: Mapping[str, str]) -> int:
    """Return the number in the job's ref or in its event (pull_request_target, issue_comment)."""
    if found := _MERGE_REF.fullmatch(environment.get("GITHUB_REF", "")):
        return int(found[1])
    path = environment.get("GITHUB_EVENT_PATH")
    try:
        event = parse_json(Path(path).read_bytes()) if path else {}
    except (OSError, ValueError) as error:
        raise UsageError(f"GITHUB_EVENT_PATH: {path} cannot be read: {error}") from error
    issue = event.get("issue") or {}
    number = (event.get("pull_request") or {}).get("number")
    number = number or (issue.get("number") if issue.get("pull_request") else None)
    if not isinstance(number, int):
        name = environment.get("GITHUB_EVENT_NAME", "this event")
        raise UsageError(
            f"the job was started by {name}, which belongs to no pull request",
            hint="on: pull_request",
        )
    return number


def _of_gitlab(environment: Mapping[str, str]) -> GitLabMergeRequest:
    number = _required(
        environment,
        "CI_MERGE_REQUEST_IID",
        "run the job for merge requests: if: $CI_PIPELINE_SOURCE == 'merge_request_event'",
    )
    token = _required(environment, "GITLAB_TOKEN", gitlab.REFUSED_HINT)
    api = Api(
        _required(environment, "CI_API_V4_URL", "run it in a job").rstrip("/"),
        {"PRIVATE-TOKEN": token, "User-Agent": "straingauge"},
        gitlab.REFUSED_HINT,
    )
    project_url = environment.get("CI_MERGE_REQUEST_PROJECT_URL", "")
    project = _required(environment, "CI_MERGE_REQUEST_PROJECT_ID", "run it in a job")
    return GitLabMergeRequest(
        api, int(project), int(number), f"{project_url}/-/merge_requests/{number}"
    )


def _required(environment: Mapping[str, str], name: str, hint: str) -> str:
    if value := environment.get(name):
        return value
    raise UsageError(f"the environment variable {name} is not set", hint=hint)
