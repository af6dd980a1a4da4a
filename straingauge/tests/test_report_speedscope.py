"""Profiles as files for speedscope."""

import json

import pytest
from inside_results import inside_result
from straingauge.errors import UsageError
from straingauge.report.speedscope import speedscope


def test_each_thread_has_a_profile_in_speedscope():
    """The stacks of each thread and state are one profile, and its frames are shared."""
    result = inside_result()
    document = json.loads(speedscope([result]))
    profiles, frames = document["profiles"], document["shared"]["frames"]
    assert [each["name"].split(", ")[1:] for each in profiles] == [
        ["on a CPU", "process 4711", "MainThread"],
        ["on a CPU", "process 4711", "worker"],
        ["threads in snapshots", "process 4711", "worker"],
    ]
    assert [each["endValue"] for each in profiles] == [90, 10, 4]
    for each in profiles:
        assert len(each["samples"]) == len(each["weights"])
        assert all(0 <= frame < len(frames) for stack in each["samples"] for frame in stack)
    innermost = frames[profiles[0]["samples"][0][-1]]
    assert innermost == {"name": "match", "file": "re/__init__.py", "line": 166}


def test_results_without_profile_cannot_be_exported():
    """A UsageError says how to get a profile."""
    result = inside_result()
    del result["profile"]
    with pytest.raises(UsageError, match="none of these results has a profile"):
        speedscope([result])
