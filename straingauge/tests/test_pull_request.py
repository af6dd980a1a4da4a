"""Comments on pull requests, against a server that speaks both APIs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from forge import TOKEN, Forge, github, gitlab, running_forge
from straingauge.cli import main

MARKED = "<!-- straingauge: load tests -->\n"


@pytest.fixture
def forge() -> Iterator[Forge]:
    """An API without comments."""
    with running_forge() as server:
        yield server


def comment(markdown: str, environment: dict[str, str], *options: str) -> Result:
    """Run the command with Markdown on its standard input."""
    return CliRunner().invoke(main, ["comment", "-", *options], input=markdown, env=environment)


@pytest.mark.parametrize(
    ("job", "path"),
    [
        (github, "/repos/acme/shop/issues/7/comments"),
        (gitlab, "/projects/31/merge_requests/7/notes"),
    ],
)
def test_a_second_run_updates_the_comment_of_the_first(
    forge: Forge, job: Callable[[Forge], dict[str, str]], path: str
):
    """A later run replaces the text of the first one's comment, among the comments of people."""
    forge.bodies = {number: f"opinion {number}" for number in range(1, 121)}
    first = comment(
        "p95 is worse\n",
        job(forge),
    )
    assert first.exit_code == 0, first.output
    assert forge.received[-1] == ("POST", path)
    second = comment("p95 is the same\n", job(forge))
    assert second.exit_code == 0, second.output
    assert second.stdout == first.stdout
    assert second.stdout.startswith("https://forge.example/")
    assert forge.bodies.pop(121) == f"{MARKED}p95 is the same\n"
    assert len(forge.bodies) == 120


def test_comments_of_several_services_stay_apart(forge: Forge):
    """Each --id has a separate comment."""
    for name in ("shop", "stock", "shop"):
        assert comment(f"about {name}\n", github(forge), "--id", name).exit_code == 0
    assert sorted(forge.bodies.values()) == [
        "<!-- straingauge: shop -->\nabout shop\n",
        "<!-- straingauge: stock -->\nabout stock\n",
    ]


def test_a_long_comment_is_shortened_at_a_line(forge: Forge):
    """A text that the API would refuse for its length is cut, and folded parts are closed."""
    text = "<details><summary>all</summary>\n" + "| a row |\n" * 9000 + "</details>\n"
    assert comment(text, github(forge)).exit_code == 0
    body = forge.bodies[1]
    assert len(body) <= 65_536
    assert body.endswith(
        "| a row |\n</details>\n\n*Shortened: the rest does not fit into a comment.*\n"
    )


def test_the_number_comes_from_the_event_where_the_ref_has_none(forge: Forge, tmp_path: Path):
    """A comment on a pull request starts a job on the default branch; its event has the number."""
    event = tmp_path / "event.json"
    event.write_text('{"issue": {"number": 7, "pull_request": {"url": "..."}}}')
    job = github(forge, GITHUB_REF="refs/heads/main", GITHUB_EVENT_PATH=str(event))
    assert comment("fine\n", job).exit_code == 0
    assert forge.received[-1] == ("POST", "/repos/acme/shop/issues/7/comments")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"GITHUB_TOKEN": ""}, "GITHUB_TOKEN is not set\n  try: add `env: GITHUB_TOKEN:"),
        ({"GITHUB_ACTIONS": ""}, "this is no job of GitHub Actions or GitLab CI"),
        ({"GITHUB_REF": "refs/heads/main"}, "which belongs to no pull request"),
        ({"GITHUB_REF": "", "GITHUB_EVENT_PATH": "/nowhere"}, "/nowhere cannot be read"),
        ({"GITHUB_API_URL": "http://api.example"}, "the token is sent over https only"),
    ],
)
def test_a_job_without_a_pull_request_is_refused(
    forge: Forge, changed: dict[str, str], message: str
):
    """The missing part is named, with exit code 2, and nothing is sent."""
    refused = comment("fine\n", github(forge, **{"GITHUB_EVENT_PATH": "", **changed}))
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert forge.received == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            (403, b'{"message": "Resource not accessible by integration"}'),
            "status 403: Resource not accessible by integration\n  try: give the job",
        ),
        ((502, b"<html>bad gateway"), "status 502: <html>bad gateway"),
        ((200, b"not JSON"), "Expecting value"),
        ((302, b""), "status 302"),
    ],
)
def test_a_refusal_of_the_api_is_one_error(forge: Forge, answer: tuple[int, bytes], message: str):
    """The API's own sentence is shown, with exit code 3 and without the token."""
    forge.answer = answer
    refused = comment("fine\n", github(forge))
    assert refused.exit_code == 3, refused.output
    assert message in refused.stderr
    assert TOKEN not in refused.output
    assert len(forge.received) == 1


def test_an_empty_text_is_refused(forge: Forge):
    """A comparison that wrote nothing does not erase the last comment."""
    refused = comment("\n", github(forge))
    assert (refused.exit_code, forge.received) == (2, [])
